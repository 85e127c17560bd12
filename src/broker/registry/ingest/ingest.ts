// Takes what nodes report, for the node link: into memory what is only worth that, into the writer's queue what must be
// kept; and looks after who has fallen silent.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Log } from '../../../daemon/logger.ts';
import type { Change, Snapshot } from '../../../wire/gpubroker/node/v1/node_link.ts';
import type { Database, Queryable } from '../../storage/database.ts';
import type { Outcome } from './batch.ts';
import type { Beat, Ingest, JoinedNode, NodeStanding, Resumption, StandingListener } from './contract.ts';
import { changesEntry, type IngestEntry, nodesOf, sizeOf, snapshotEntry } from './entries.ts';
import { type LiveNode, newLiveNode, takeBeat } from './live-nodes.ts';
import { Liveness } from './liveness.ts';
import { createIngestMetrics, type IngestMetrics } from './metrics.ts';
import { IngestQueue } from './queue.ts';
import { loadExpectedNodes } from './sql/load-live.ts';
import { writeBatch } from './transaction.ts';
import { type IngestValue, IngestWriter } from './writer.ts';

/** What the ingest needs. */
export interface IngestOptions {
  readonly database: Database;
  readonly now: () => Date;
  readonly log: Log;
  readonly registry: Registry;
  /** How often nodes beat, in milliseconds. */
  readonly heartbeatMs: number;
  /** Called in every transaction; throws where this process may not write any more. */
  readonly leaderCheck?: ((trx: Queryable) => Promise<void>) | undefined;
  /** How long messages wait for a database that is away, in milliseconds. */
  readonly patienceMs?: number | undefined;
  /** How long `close` lets the writer go on, in milliseconds. */
  readonly closeMs?: number | undefined;
  /** In [0, 1): spreads the pauses between tries. */
  readonly random?: (() => number) | undefined;
}

/** The ingest with what the process that runs it calls. */
export interface IngestService extends Ingest {
  /** Expects the nodes that were online when the last broker ended, and begins to look at all nodes. */
  start(): Promise<void>;
  /** Looks at all nodes once, and resolves when what follows from it is stored. `start` does so every third of a beat. */
  tick(): Promise<void>;
  /** Writes down what beats said. `start` does so every ten seconds. */
  flush(): Promise<void>;
  /** A node was cordoned, drained or decommissioned: told to the listeners at once. */
  standingChanged(nodeId: string, standing: NodeStanding | 'decommissioned'): void;
  /** Events of the journal: finds in them what another process did to nodes. */
  heard(events: readonly { readonly kind: string; readonly nodeId?: string | null | undefined }[]): void;
  /** Resolves when nothing waits to be written. */
  idle(): Promise<void>;
  /** Writes what waits and what beats said, for `closeMs` (five seconds) at most; refuses the rest, and ends. */
  close(): Promise<void>;
}

const queueLimits = { entries: 4_096, batchEntries: 256, batchBytes: 2 * 1024 * 1024 };
const flushInterval = 10_000;
const defaultPatience = 60_000;
const closeDeadline = 5_000;

export function createIngest(options: IngestOptions): IngestService {
  return new NodeIngest(options);
}

class NodeIngest implements IngestService {
  readonly #options: IngestOptions;
  readonly #live = new Map<string, LiveNode>();
  readonly #listeners = new Set<StandingListener>();
  readonly #liveness: Liveness;
  readonly #queue: IngestQueue<IngestEntry, IngestValue>;
  readonly #writer: IngestWriter;
  readonly #metrics: IngestMetrics;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;
  #flushed = 0;

  constructor(options: IngestOptions) {
    const { database, registry, log, heartbeatMs, now, patienceMs = defaultPatience, random = Math.random } = options;
    this.#options = options;
    this.#liveness = new Liveness(heartbeatMs, now().getTime());
    this.#queue = new IngestQueue(queueLimits, sizeOf, () => this.#writer.wake());
    this.#metrics = createIngestMetrics({ registry, database, queueLength: () => this.#queue.length });
    const commit = (entries: readonly IngestEntry[]) => this.#commit(entries);
    this.#writer = new IngestWriter({
      queue: this.#queue,
      commit,
      log,
      metrics: this.#metrics,
      patience: patienceMs,
      random,
    });
  }

  async joined(node: JoinedNode): Promise<Resumption> {
    return resumption(await this.#queue.add(() => ({ kind: 'join', node })));
  }

  beat(nodeId: string, beat: Beat): void {
    this.#metrics.beat();
    let node = this.#live.get(nodeId);
    if (!node) {
      // It was offline, and its stream lives: the next look finds it.
      node = newLiveNode(nodeId, beat.at.getTime());
      this.#live.set(nodeId, node);
    }
    takeBeat(node, beat);
  }

  async snapshot(nodeId: string, spoolId: string, snapshot: Snapshot): Promise<void> {
    await this.#queue.add(() => snapshotEntry(nodeId, spoolId, snapshot));
  }

  async changes(nodeId: string, spoolId: string, changes: readonly Change[]): Promise<'stored' | 'gap'> {
    const value = await this.#queue.add(() => changesEntry(nodeId, spoolId, changes));
    return value === 'gap' ? 'gap' : 'stored';
  }

  left(nodeId: string, processId: string, reason: string): void {
    const node = this.#live.get(nodeId);
    if (node?.processId === processId) node.leftBecause = reason;
  }

  onStanding(listener: StandingListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  standingChanged(nodeId: string, standing: NodeStanding | 'decommissioned'): void {
    const node = this.#live.get(nodeId);
    if (standing === 'decommissioned') this.#review([nodeId]);
    else if (node) node.standing = standing;
    this.#tell(nodeId, standing);
  }

  heard(events: readonly { readonly kind: string; readonly nodeId?: string | null | undefined }[]): void {
    const changed = events.filter(({ kind }) => kind === 'node.changed' || kind === 'node.removed');
    const nodeIds = [...new Set(changed.flatMap(({ nodeId }) => nodeId ?? []))];
    if (nodeIds.length > 0) this.#review(nodeIds);
  }

  async start(): Promise<void> {
    const now = this.#options.now().getTime();
    for (const { id, process_id, status } of await loadExpectedNodes(this.#options.database)) {
      if (this.#live.has(id)) continue;
      this.#live.set(id, { ...newLiveNode(id, Number.NEGATIVE_INFINITY), processId: process_id, status });
    }
    this.#flushed = now;
    this.#timer = setInterval(() => this.#onTimer(), this.#options.heartbeatMs / 3);
    this.#timer.unref();
  }

  async tick(): Promise<void> {
    const found = this.#liveness.look(this.#live.values(), this.#options.now().getTime());
    if (found.length > 0) await this.#queue.addOwn({ kind: 'review', nodeIds: found });
  }

  async flush(): Promise<void> {
    await this.#queue.addOwn({ kind: 'seen' });
  }

  idle(): Promise<void> {
    return this.#writer.idle();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const ended = new AbortController();
    const late = sleep(this.#options.closeMs ?? closeDeadline, undefined, { signal: ended.signal }).catch(
      () => undefined,
    );
    await Promise.race([this.flush().catch(() => undefined), late]);
    ended.abort();
    await this.#writer.stop();
    await this.#ticking;
  }

  /** One look at a time: where the database is away, they do not pile up. */
  #onTimer(): void {
    const now = this.#options.now().getTime();
    this.#liveness.notice(this.#live.values(), now);
    this.#ticking ??= this.#look(now).finally(() => {
      this.#ticking = undefined;
    });
  }

  async #look(now: number): Promise<void> {
    try {
      await this.tick();
      if (now - this.#flushed < flushInterval && now >= this.#flushed) return;
      this.#flushed = now;
      await this.flush();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the state of nodes could not be stored: it is tried again');
    }
  }

  #review(nodeIds: readonly string[]): void {
    this.#queue.addOwn({ kind: 'review', nodeIds }).catch((error: unknown) => {
      this.#options.log.warn({ err: error, nodes: nodeIds.length }, 'nodes could not be looked at');
    });
  }

  async #commit(entries: readonly IngestEntry[]): Promise<ReadonlyMap<IngestEntry, Outcome>> {
    const { database, now, leaderCheck = async () => {} } = this.#options;
    const context = { live: this.#live, now: now(), overdue: this.#liveness.overdue, leaderCheck };
    try {
      const written = await database.transaction().execute((trx) => writeBatch(trx, entries, context));
      for (const { nodeId, standing } of written.settle()) this.#tell(nodeId, standing);
      return written.outcomes;
    } catch (error) {
      // Nobody knows what was stored: what memory has of these nodes is read anew.
      for (const id of entries.flatMap(nodesOf)) {
        const node = this.#live.get(id);
        if (node) node.gpus = undefined;
      }
      throw error;
    }
  }

  #tell(nodeId: string, standing: NodeStanding | 'decommissioned'): void {
    for (const listener of this.#listeners) {
      try {
        listener(nodeId, standing);
      } catch (error) {
        this.#options.log.error({ err: error, node_id: nodeId }, 'a listener failed');
      }
    }
  }
}

function resumption(value: IngestValue): Resumption {
  if (typeof value === 'object') return value;
  throw new TypeError('a join was answered with something else');
}
