// Keeps the market's supply as the registry has it: follows the journal, and tells the market of each node that differs.
//
// Events name what may have changed; what is told is read anew, so that many events about a node are one look at it, in
// any order. Now and then all nodes are compared, for events that were missed. One loop does both, events first: a node
// is never in two hands, and what waits is at most one entry a node.
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type pg from 'pg';
import type { Registry } from 'prom-client';
import type { Pipeline } from '../commit/contract.ts';
import type { Command } from '../engine/commands.ts';
import type { NodeSupply } from '../engine/supply.ts';
import { lastSeq } from '../events/changes.ts';
import { followJournal, type StoredEvent, type Tail } from '../events/tail.ts';
import { Refusal } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { type SupplyMetrics, supplyMetrics } from './supply-metrics.ts';
import { nodesOf, pageOfNodes, type RegisteredNode, readNodes } from './supply-rows.ts';

export interface SupplyOptions {
  readonly db: Database;
  readonly pool: Pick<pg.Pool, 'options'>;
  readonly pipeline: Pick<Pipeline, 'submit' | 'read'>;
  readonly log: { warn(details: object, message: string): void };
  readonly registry: Registry;
  /** Milliseconds from one comparison of all nodes to the next; a minute by default. */
  readonly compareInterval?: number;
  /** In [0, 1): spreads the waits after failures. */
  readonly random?: () => number;
}

/** A follower that runs. */
export interface SupplyFollower {
  /** Resolves when everything that it knew of at the call is durable in the market. */
  settled(): Promise<void>;
  /** Compares all nodes now. Resolves like {@link settled}. */
  compare(): Promise<void>;
  stop(): Promise<void>;
}

/** Nodes that are looked at together: their commands fit one batch of the pipeline. */
const nodesAtOnce = 200;
const usualInterval = 60_000;
/** Milliseconds. */
const firstRetry = 50;
const longestRetry = 5_000;
const beforeAll = '00000000-0000-0000-0000-000000000000';

/** Starts it; the market is complete when the first `settled` resolves. */
export async function followSupply(options: SupplyOptions): Promise<SupplyFollower> {
  // First the place in the journal, then the nodes: what happens in between is looked at twice rather than never.
  const after = await lastSeq(options.db);
  return new Follower(options, after);
}

class Follower implements SupplyFollower {
  readonly #options: SupplyOptions;
  readonly #metrics: SupplyMetrics;
  /** By node: since when it waits, by the monotonic clock. */
  readonly #nodes = new Map<string, number>();
  /** `provider:…` and `cluster:…`, all of whose nodes are to be looked at. */
  readonly #places = new Set<string>();
  /** How far the comparison of all nodes has come; undefined while none runs. */
  #comparison: { last: string } | undefined = { last: beforeAll };
  readonly #settling = new Set<() => void>();
  readonly #stopping = new AbortController();
  readonly #tail: Tail;
  readonly #timer: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  #failures = 0;
  #wake = () => {};

  constructor(options: SupplyOptions, after: number) {
    this.#options = options;
    this.#metrics = supplyMetrics(options.registry, () => this.#nodes.size);
    const { pool, log, compareInterval = usualInterval } = options;
    this.#tail = followJournal({ pool, log, after, onEvents: (events) => this.#note(events) });
    this.#timer = setInterval(() => this.#beginComparison(), compareInterval);
    this.#timer.unref();
    this.#ended = this.#run();
  }

  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settling.add(resolve);
      this.#wake();
    });
  }

  compare(): Promise<void> {
    this.#comparison = { last: beforeAll };
    return this.settled();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    this.#wake();
    await this.#tail.stop();
    await this.#ended;
    for (const resolve of this.#settling) resolve();
  }

  #note(events: readonly StoredEvent[]): void {
    const now = performance.now();
    for (const { kind, nodeId, clusterId, providerId } of events) {
      const about = kind.slice(0, kind.indexOf('.'));
      if (about === 'gpu' || about === 'node') {
        if (nodeId !== null && !this.#nodes.has(nodeId)) this.#nodes.set(nodeId, now);
      } else if (about === 'cluster' && clusterId !== null) this.#places.add(`cluster:${clusterId}`);
      else if (about === 'provider' && providerId !== null) this.#places.add(`provider:${providerId}`);
    }
    this.#wake();
  }

  /** One that still runs goes on. */
  #beginComparison(): void {
    this.#comparison ??= { last: beforeAll };
    this.#wake();
  }

  async #run(): Promise<void> {
    const { log, random = Math.random } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        if (this.#isIdle()) await this.#rest();
        else await this.#step();
        this.#failures = 0;
      } catch (error) {
        const wait = Math.min(firstRetry * 2 ** this.#failures++, longestRetry) * (0.5 + random() / 2);
        const details = { err: error, nodes: this.#nodes.size, retryMs: Math.round(wait) };
        log.warn(details, 'the market could not be told what nodes have to sell: trying again');
        await sleep(wait, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #isIdle(): boolean {
    return this.#places.size === 0 && this.#nodes.size === 0 && this.#comparison === undefined;
  }

  /** Does a part of what waits. */
  async #step(): Promise<void> {
    const [place] = this.#places;
    if (place !== undefined) await this.#spread(place);
    else if (this.#nodes.size > 0) await this.#bring([...this.#nodes.keys()].slice(0, nodesAtOnce));
    else if (this.#comparison !== undefined) await this.#compareNext(this.#comparison);
  }

  /** Waits for something to do. */
  #rest(): Promise<void> {
    for (const resolve of this.#settling) resolve();
    this.#settling.clear();
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = () => {};
        resolve();
      };
      if (this.#stopping.signal.aborted) resolve();
    });
  }

  async #spread(place: string): Promise<void> {
    const [kind, id = ''] = place.split(':');
    const now = performance.now();
    this.#places.delete(place);
    try {
      for (const nodeId of await nodesOf(this.#options.db, kind === 'provider' ? kind : 'cluster', id)) {
        if (!this.#nodes.has(nodeId)) this.#nodes.set(nodeId, now);
      }
    } catch (error) {
      this.#places.add(place);
      throw error;
    }
  }

  /** An event that comes while a node is looked at makes it wait again. */
  async #bring(nodeIds: readonly string[]): Promise<void> {
    const since = nodeIds.map((id) => this.#nodes.get(id) ?? performance.now());
    for (const id of nodeIds) this.#nodes.delete(id);
    const waiting = new Map(nodeIds.map((id, place) => [id, since[place] ?? 0]));
    try {
      await this.#tell(nodeIds, 'event', (id) => {
        this.#metrics.seconds.observe((performance.now() - (waiting.get(id) ?? 0)) / 1000);
        waiting.delete(id);
      });
    } catch (error) {
      for (const [id, from] of waiting) this.#nodes.set(id, from);
      throw error;
    }
  }

  async #compareNext(comparison: { last: string }): Promise<void> {
    const page = await pageOfNodes(this.#options.db, comparison.last, nodesAtOnce);
    await this.#tell(page, 'comparison', () => {});
    comparison.last = page.at(-1) ?? beforeAll;
    // Meanwhile another one may have begun.
    if (page.length < nodesAtOnce && this.#comparison === comparison) this.#comparison = undefined;
  }

  /** Compares nodes with what the market knows, and tells it what differs. Throws the first failure, after all. */
  async #tell(nodeIds: readonly string[], found: 'event' | 'comparison', done: (id: string) => void): Promise<void> {
    const { db, pipeline } = this.#options;
    const rows = await readNodes(db, nodeIds);
    const known = await pipeline.read((view) =>
      nodeIds.map((id) => ({ id, supply: view.supply(id), priced: view.pricing(id) !== undefined })),
    );
    const failures: unknown[] = [];
    const telling = known.map(async ({ id, supply, priced }) => {
      try {
        for (const command of commandsFor(id, rows.get(id), supply, priced)) {
          await this.#submit(command);
          this.#metrics.changes.inc({ found });
        }
        done(id);
      } catch (error) {
        failures.push(error);
      }
    });
    await Promise.all(telling);
    if (failures.length > 0) throw failures[0];
  }

  /** What the market will never take is told to whoever runs the broker: trying again would keep all others waiting. */
  async #submit(command: Command): Promise<void> {
    try {
      await this.#options.pipeline.submit({ command, actor: null });
    } catch (error) {
      const passing = !(error instanceof Refusal) || error.kind === 'unavailable' || error.kind === 'too-many';
      if (passing) throw error;
      this.#options.log.warn({ err: error, command }, 'the market refused what a node has to sell');
    }
  }
}

/** What makes the market know a node as the registry does. */
function commandsFor(
  nodeId: string,
  node: RegisteredNode | undefined,
  known: NodeSupply | undefined,
  priced: boolean,
): Command[] {
  const gone = node === undefined || node.decommissioned;
  const wanted = node?.supply ?? (known && { ...known, gpus: [] });
  const commands: Command[] = [];
  if (gone && priced) commands.push({ kind: 'remove-pricing', nodeId });
  if (wanted && !isDeepStrictEqual(known, wanted) && (known !== undefined || wanted.gpus.length > 0)) {
    commands.push({ kind: 'supply', node: wanted });
  }
  return commands;
}
