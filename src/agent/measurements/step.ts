// Measurements as a step of the agent's life. What they need is loaded when it is first asked for, or due: an idle agent
// is to be small.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Cache } from '../../cache-server/cache.ts';
import type { DeviceBook } from '../../cache-server/device-details.ts';
import type { ReportedCondition } from '../../cache-server/write.ts';
import type { DaemonContext } from '../../daemon/daemon.ts';
import type { Step } from '../../daemon/lifecycle.ts';
import type { AgentOptions } from '../../daemon/node-options.ts';
import type { DeviceView } from '../devices/view.ts';
import type { FreeGpus, Measurements, MeasurementsAccess } from './contract.ts';
import type { LoadedMeasurements } from './load.ts';
import { firstWait } from './schedule.ts';

/** The node as measurements see it. */
export interface MeasuredNode {
  readonly cache: Cache;
  readonly book: DeviceBook;
  /** Resolves when the GPUs have been looked for. */
  readonly looked: Promise<void>;
  /** A device as it was seen last, by its uuid. */
  readonly view: (uuid: string) => Readonly<DeviceView> | undefined;
  /** Has a device read with every look, or as rarely as others again. */
  readonly watchClosely: (uuid: string, closely: boolean) => void;
  /** Reports how a GPU performs; undefined where that is not known. */
  readonly report: (gpu: string, condition: ReportedCondition | undefined) => void;
  /** Whether a broker may sell GPUs. */
  readonly hasBroker: boolean;
}

/** The step, and the ways to what it loads. */
export class MeasurementsStep implements Step, MeasurementsAccess {
  readonly name = 'measurements';
  readonly #context: DaemonContext<AgentOptions>;
  readonly #node: () => MeasuredNode;
  #loading: Promise<LoadedMeasurements> | undefined;
  #loaded: LoadedMeasurements | undefined;
  #isStopped = false;
  #timer: NodeJS.Timeout | undefined;

  /** @param node asked for when there is something to load */
  constructor(context: DaemonContext<AgentOptions>, node: () => MeasuredNode) {
    this.#context = context;
    this.#node = node;
  }

  start(): void {
    const { benchmarkInterval: interval } = this.#context.options;
    const attempt = (what: () => Promise<unknown>) =>
      void what().catch((error: unknown) =>
        this.#context.log.error({ err: error }, 'GPUs cannot be measured: what that needs cannot be loaded'),
      );
    // What was measured before says how the GPUs perform.
    if (existsSync(this.#path)) attempt(() => this.#node().looked.then(() => this.#load()));
    if (interval === 0) return;
    const begin = () => attempt(async () => (await this.#load()).begin());
    this.#timer = setTimeout(begin, firstWait(interval, Math.random)).unref();
  }

  /** Never waits for a process: it is killed, and what is left of it ends with the agent. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#loaded?.stop();
  }

  async measurements(): Promise<Measurements> {
    return (await this.#load()).measurements;
  }

  async freeGpus(): Promise<FreeGpus> {
    const { gpus, measurements } = await this.#load();
    return {
      // Who proves is asked at a time that nobody foresees, and once; what is measured can wait.
      take: (gpu) => measurements.giveWay().then(() => gpus.take(gpu)),
    };
  }

  /** Of the processes that a driver lists on a GPU, how many are ours. */
  ownProcesses(gpu: string): number {
    return this.#loaded?.gpus.ownProcesses(gpu) ?? 0;
  }

  deviceChanged(view: Readonly<DeviceView>): void {
    this.#loaded?.deviceChanged(view);
  }

  deviceRemoved(uuid: string): void {
    this.#loaded?.gpus.deviceChanged({ uuid });
  }

  get #path(): string {
    return join(this.#context.options.dataDir, 'measurements');
  }

  #load(): Promise<LoadedMeasurements> {
    this.#loading ??= import('./load.ts').then(async ({ loadMeasurements }) => {
      const loaded = await loadMeasurements(this.#context, this.#node(), this.#path);
      this.#loaded = loaded;
      if (this.#isStopped) loaded.stop();
      return loaded;
    });
    return this.#loading;
  }
}
