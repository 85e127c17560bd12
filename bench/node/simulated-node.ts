// A whole node without a process of its own: a simulated source, and behind it the agent's own inventory, health, cache and
// link to the broker. What is left out is what no load on a broker needs: the probe process, the state file, the device API.
//
// Faults that end or stop a process (`hang`, `crash`) would do so to all nodes of this one.

import { Inventory } from '../../src/agent/devices/inventory.ts';
import { createSimulatedSource } from '../../src/agent/devices/simulated/source.ts';
import { DeviceError, type DeviceSource } from '../../src/agent/devices/source.ts';
import { Gpus } from '../../src/agent/gpus.ts';
import { HealthBook } from '../../src/agent/health/health-book.ts';
import { consecutiveLooks } from '../../src/agent/health/recovery.ts';
import { CacheState } from '../../src/agent/node-state.ts';
import { newId } from '../../src/broker/ids.ts';
import type { Channel } from '../../src/broker-client/channel.ts';
import { CredentialMemory } from '../../src/broker-client/credential-store.ts';
import { type BrokerLink, createBrokerLink } from '../../src/broker-client/link.ts';
import { Spool } from '../../src/broker-client/spool/spool.ts';
import { Cache } from '../../src/cache-server/cache.ts';
import { DeviceBook } from '../../src/cache-server/device-details.ts';
import type { Log } from '../../src/daemon/logger.ts';

/** What nodes of one process share, and what tells one from another. */
export interface SimulatedNodeOptions {
  readonly name: string;
  readonly profile: string;
  readonly faultsFile: string;
  readonly channel: Channel;
  readonly token: string;
  readonly log: Log;
  /** As the agent's options of these names; milliseconds. */
  readonly probeInterval: number;
  readonly telemetryInterval: number;
}

/** Telemetry that a node keeps in memory while the broker is away. */
const spoolBytes = 1 << 20;

export class SimulatedNode {
  readonly #options: SimulatedNodeOptions;
  readonly #source: DeviceSource;
  readonly #inventory: Inventory;
  readonly #gpus: Gpus;
  readonly #state: CacheState;
  #link: BrokerLink | undefined;

  constructor(options: SimulatedNodeOptions) {
    const { name, profile, faultsFile, log } = options;
    this.#options = options;
    this.#source = createSimulatedSource({ profile, faultsFile, nodeName: name });
    const cache = new Cache({
      store: { append: () => undefined },
      nameFormat: 'lowercase',
      now: Date.now,
      clock: () => performance.now(),
      onError: (error) => log.error({ err: error }, 'a fault inside the cache'),
    });
    const book = new DeviceBook(cache, 100, new Map());
    const health = new HealthBook({
      quietPeriod: 0,
      probe: consecutiveLooks,
      clock: () => performance.now(),
      xids: { ignored: new Set(), fatal: new Set() },
      onXid: () => undefined,
    });
    this.#gpus = new Gpus(cache, book, log, health);
    this.#state = new CacheState({ cache, book, computeProcesses: (gpu) => this.#gpus.computeProcesses(gpu) });
    this.#inventory = new Inventory({
      source: this.#source.name,
      clock: () => performance.now(),
      log,
      listener: {
        deviceChanged: (view) => this.#gpus.show(view),
        deviceRemoved: (uuid) => this.#gpus.remove(uuid),
        eventReported: () => undefined,
        sourceChanged: () => undefined,
      },
    });
    this.#inventory.condition = this.#source.condition;
  }

  get isStreaming(): boolean {
    return this.#link?.state.phase === 'streaming';
  }

  /** Looks at its devices, joins the broker, and goes on doing both. */
  async start(): Promise<void> {
    const { name, channel, token, log, probeInterval, telemetryInterval } = this.#options;
    this.#source.open();
    this.#sweep();
    const spool = await Spool.open({
      folder: undefined,
      telemetryBytes: spoolBytes,
      boot: '',
      trouble: () => undefined,
      warning: (message) => log.warn(message),
    });
    this.#link = createBrokerLink({
      channel,
      store: new CredentialMemory(),
      spool,
      source: this.#state,
      identity: {
        nodeName: name,
        machineId: newId(),
        bootId: newId(),
        processId: newId(),
        agentVersion: 'bench',
        sources: ['simulated'],
      },
      token: () => token,
      telemetryInterval,
      log,
    });
    this.#link.run().catch((error: unknown) => log.error({ err: error, node: name }, 'the link ended'));
    // Not all at the same moment.
    setTimeout(() => setInterval(() => this.#sweep(), probeInterval), Math.random() * probeInterval);
  }

  /** As the supervisor does it, without the probe process. */
  #sweep(): void {
    const { probeInterval, telemetryInterval } = this.#options;
    this.#inventory.beginSweep();
    let complete = true;
    const count = this.#source.count();
    for (let index = 0; index < count; index++) {
      try {
        this.#inventory.answered(index, this.#source.check(index));
      } catch (error) {
        if (!(error instanceof DeviceError) || error.fault === 'driver-gone') throw error;
        complete = false;
        this.#inventory.faulted(index, error.fault, error.message);
      }
    }
    for (const { index, part } of this.#inventory.unread()) this.#inventory.store(this.#source.read(index, part));
    const due = performance.now() - telemetryInterval + probeInterval / 2;
    for (const target of this.#inventory.unsampled(due, probeInterval / telemetryInterval)) {
      this.#inventory.sampled(target, this.#source.sample(target.index, target.part));
    }
    for (const event of this.#source.events(0)) this.#gpus.take(this.#source.name, event);
    this.#inventory.endSweep(complete);
  }
}
