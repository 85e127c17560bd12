// The agent put together: the cache server, and the supervisors whose devices it serves, as steps of a daemon's life.
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { DeviceBook } from '../cache-server/device-details.ts';
import { type CacheServer, cacheServerSteps } from '../cache-server/serve.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { Step } from '../daemon/lifecycle.ts';
import type { AgentOptions, SourceName } from '../daemon/node-options.ts';
import type { AgentState, JoinedBroker } from './broker-link.ts';
import { type Supervisor, startingSource } from './devices/supervisor.ts';
import type { DeviceListener, SourceView } from './devices/view.ts';
import { Gpus } from './gpus.ts';
import { HealthBook } from './health/health-book.ts';
import { consecutiveLooks } from './health/recovery.ts';
import { KernelWitness } from './kernel-witness.ts';
import type { MeasurementsAccess } from './measurements/contract.ts';
import { type MeasuredNode, MeasurementsStep } from './measurements/step.ts';
import { countXids, observeHealth, observeSources } from './metrics.ts';
import { occupancyStep } from './occupancy/occupancy.ts';
import { RollCall } from './roll-call.ts';
import { judgeSource, sourceNames, sourceOptions, superviseSource, toSource } from './sources.ts';
import { LatestDevices } from './telemetry/latest-devices.ts';
import { observeDevices } from './telemetry/metrics.ts';

/** After so many beats, what was there before the restart and has not been seen since is gone. */
const beatsUntilGone = 3;

/** How often it is looked whether there are cards of a vendor that had none, in milliseconds. */
const cardsInterval = 10_000;

/** How a broker is reached. */
type BrokerAccess = Pick<AgentOptions, 'brokerUrl' | 'brokerCa' | 'onboardingTokenFile'>;

/** Says which sources look for GPUs; rejects soon after `abort`. */
type Choose = (context: DaemonContext<AgentOptions>, abort: AbortSignal) => Promise<readonly SourceName[]>;

/** What a daemon that is more than an agent decides otherwise. */
interface AgentParts {
  /** Which sources look for GPUs; by default those of the options. */
  readonly choose?: Choose;
  /** How the broker is reached that the node joins; by default as the options say, or not at all. */
  readonly join?: (abort: AbortSignal) => Promise<BrokerAccess>;
}

/** The steps of the agent, in order. */
export function agentSteps(
  context: DaemonContext<AgentOptions>,
  daemon: string,
  { choose = async ({ options }) => sourceNames(options), join }: AgentParts = {},
): readonly Step[] {
  const { options } = context;
  const access = join ?? (options.brokerUrl === '' ? undefined : async () => options);
  const devices = new Devices(context, choose);
  const measurements = new MeasurementsStep(context, () => devices.measured(access !== undefined));
  devices.measurements = measurements;
  const serving = cacheServerSteps(context, {
    daemon,
    sources: () => devices.sources().map((source) => toSource(source, context.options)),
    opened: (server) => devices.opened(server),
    declareReset: (gpu) => devices.declareReset(gpu),
    measuring: {
      async *run(request, stop) {
        const loaded = await measurements.measurements();
        yield* loaded.run(loaded.read(request), stop);
      },
      list: async (gpu, limit) => (await measurements.measurements()).list(gpu, limit),
    },
  });
  const looking = { name: 'devices', start: (abort: AbortSignal) => devices.start(abort), stop: () => devices.stop() };
  const occupancy = options.podResourcesSocket === '' ? [] : [occupancyStep(context, () => devices.book())];
  const joining = access ? [brokerStep(context, devices, measurements, access)] : [];
  return [...serving, ...occupancy, looking, measurements, ...joining];
}

/** What joins the broker is loaded only where there is one: its code costs memory. */
function brokerStep(
  context: DaemonContext<AgentOptions>,
  devices: Devices,
  measurements: MeasurementsAccess,
  access: (abort: AbortSignal) => Promise<BrokerAccess>,
): Step {
  let joined: JoinedBroker | undefined;
  return {
    name: 'broker link',
    async start(abort) {
      const { joinBroker } = await import('./broker-link.ts');
      const options = { ...context.options, ...(await access(abort)) };
      joined = await joinBroker({ ...context, options }, { ...devices.state(), measurements });
    },
    failed: () => joined?.failed ?? new Promise(() => undefined),
    stop: () => joined?.stop(),
  };
}

/** The rules by which devices are judged; none where health checks are off. */
function healthRules(
  { healthChecks, healthQuietPeriod, ignoredXids, fatalXids }: AgentOptions,
  registry: Registry,
): HealthBook | undefined {
  const onXid = countXids(registry);
  if (healthChecks === 'off') return undefined;
  return new HealthBook({
    quietPeriod: healthQuietPeriod,
    probe: consecutiveLooks,
    clock: () => performance.now(),
    xids: { ignored: ignoredXids, fatal: fatalXids },
    onXid,
  });
}

/** The supervisors, and the way of their devices into the cache. */
class Devices {
  readonly #context: DaemonContext<AgentOptions>;
  readonly #choose: Choose;
  readonly #sources = new Map<string, SourceView>();
  readonly #latest = new LatestDevices();
  readonly #supervisors = new Map<string, Supervisor>();
  #gpus: Gpus | undefined;
  #health: HealthBook | undefined;
  #rollCall: RollCall | undefined;
  #kernelLog: KernelWitness | undefined;
  #server: CacheServer | undefined;
  /** Resolves when every source has been looked through, or nobody waits for that any more. */
  readonly #looked = Promise.withResolvers<void>();
  #patience: NodeJS.Timeout | undefined;
  #cardsTimer: NodeJS.Timeout | undefined;
  #patienceOver = false;
  /** Told of the devices; set before anything starts. */
  measurements: MeasurementsStep | undefined;

  constructor(context: DaemonContext<AgentOptions>, choose: Choose) {
    this.#context = context;
    this.#choose = choose;
  }

  sources(): SourceView[] {
    return [...this.#sources.values()];
  }

  /** The records of the devices; to be called once the cache is there. */
  book(): DeviceBook {
    if (!this.#server) throw new Error('the cache is not there yet');
    return this.#server.book;
  }

  /** What the broker is told about; to be called once the devices are looked for. */
  state(): Omit<AgentState, 'measurements'> {
    if (!this.#server) throw new Error('the cache is not there yet');
    const { cache, book } = this.#server;
    const sources = this.sources().map(({ name }) => name);
    const looked = this.#looked.promise;
    return { cache, book, sources, looked, computeProcesses: (name) => this.#foreignProcesses(name) };
  }

  /** What measurements need of the devices; to be called once the cache is there. */
  measured(hasBroker: boolean): MeasuredNode {
    if (!this.#server) throw new Error('the cache is not there yet');
    const { cache, book } = this.#server;
    return {
      cache,
      book,
      hasBroker,
      looked: this.#looked.promise,
      view: (uuid) => this.#latest.get(uuid)?.view,
      watchClosely: (uuid, closely) => {
        for (const supervisor of this.#supervisors.values()) supervisor.watchClosely(uuid, closely);
      },
      report: (gpu, condition) => this.#gpus?.showPerformance(gpu, condition),
    };
  }

  opened(server: CacheServer): void {
    const { cache, book, rebooted } = server;
    const { options, log, readiness, registry } = this.#context;
    this.#server = server;
    this.#health = healthRules(options, registry);
    const gpus = new Gpus(cache, book, log, this.#health, rebooted);
    const rollCall = new RollCall(options.hostRoot, readiness, gpus);
    this.#gpus = gpus;
    this.#rollCall = rollCall;
    observeSources(registry, () => this.sources(), options.healthChecks);
    observeDevices(registry, this.#latest, options.nodeName);
    observeHealth(
      registry,
      () => gpus.conditions(),
      () => rollCall.missing(),
    );
  }

  declareReset(gpu: string): number {
    if (!this.#gpus) throw new Error('the cache is not there yet');
    return this.#gpus.declareReset(gpu);
  }

  async start(abort: AbortSignal): Promise<void> {
    const { options } = this.#context;
    const names = await this.#choose(this.#context, abort);
    this.#supervise(names);
    if (options.sources === 'auto' && !names.includes('simulated')) {
      this.#cardsTimer = setInterval(() => this.#lookForCards(), cardsInterval).unref();
    }
    this.#patience = setTimeout(() => {
      this.#patienceOver = true;
      this.#removeUnseen();
    }, beatsUntilGone * options.heartbeatInterval);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#patience);
    clearInterval(this.#cardsTimer);
    this.#rollCall?.stop();
    const supervisors = [...this.#supervisors.values()];
    await Promise.all([this.#kernelLog?.stop(), ...supervisors.map((supervisor) => supervisor.stop())]);
    this.#gpus?.stop();
  }

  /** Starts those sources that are not there yet; all are known before the first one says anything. */
  #supervise(names: readonly SourceName[]): void {
    const { options, log } = this.#context;
    const fresh = names.filter((name) => !this.#sources.has(name));
    for (const name of fresh) {
      this.#supervisors.set(name, superviseSource(sourceOptions(name, options), options, this.#listener(), log));
      this.#see(startingSource(name));
    }
    for (const name of fresh) this.#supervisors.get(name)?.start();
    if (fresh.includes('nvml')) this.#watchHost();
  }

  /** Starts what cards have come for, and gives up a source that found nothing and that no card here is for. */
  #lookForCards(): void {
    const names = sourceNames(this.#context.options);
    this.#supervise(names);
    for (const { name, state, devices, enumerated } of this.sources()) {
      if (state !== 'failed' || devices > 0 || enumerated || names.some((wanted) => wanted === name)) continue;
      void this.#supervisors.get(name)?.stop();
      this.#supervisors.delete(name);
      this.#sources.delete(name);
      this.#context.readiness.ok(name);
    }
  }

  #listener(): DeviceListener {
    return {
      deviceChanged: (view) => {
        this.#latest.deviceChanged(view);
        this.#gpus?.show(view);
        this.#rollCall?.seen(view);
        this.measurements?.deviceChanged(view);
      },
      deviceRemoved: (uuid) => {
        this.#latest.deviceRemoved(uuid);
        this.#rollCall?.removed(uuid);
        this.measurements?.deviceRemoved(uuid);
      },
      eventReported: (source, event) => {
        this.#latest.eventReported(event);
        this.#gpus?.take(source, event);
      },
      sourceChanged: (source) => this.#see(source),
    };
  }

  /** What the machine itself says of NVIDIA's GPUs, whatever their driver does. */
  #watchHost(): void {
    const { options, log, readiness } = this.#context;
    this.#rollCall?.watchBus();
    if (options.kernelLog === 'off' || !this.#health || this.#kernelLog) return;
    this.#kernelLog = new KernelWitness({
      path: join(options.hostRoot, 'dev/kmsg'),
      health: this.#health,
      take: (uuid, code) => this.#gpus?.take('nvml', { uuid, kind: 'xid', data: code }, 'kernel log'),
      // Where nobody asked for the log, it is no trouble that it cannot be read.
      readiness: options.kernelLog === 'on' ? readiness : undefined,
      log,
    });
    this.#kernelLog.start();
  }

  /** Processes that compute on a GPU without being ours: what is measured is not occupied. */
  #foreignProcesses(name: string): number | undefined {
    const all = this.#gpus?.computeProcesses(name);
    return all === undefined ? undefined : Math.max(0, all - (this.measurements?.ownProcesses(name) ?? 0));
  }

  #see(source: SourceView): void {
    this.#sources.set(source.name, source);
    judgeSource(this.#context.readiness, source);
    this.#removeUnseen();
  }

  /** Nothing is called gone as long as a source might still show it: a device that has not said its uuid may be it. */
  #removeUnseen(): void {
    const complete = this.sources().every(
      ({ state, enumerated, unidentified }) => state === 'running' && enumerated && unidentified === 0,
    );
    const unseen = this.#patienceOver && complete ? this.#gpus?.removeUnseen() : undefined;
    if (unseen?.length) this.#rollCall?.unseen(unseen);
    if (this.#patienceOver || complete) this.#looked.resolve();
  }
}
