// Telemetry that comes over HTTP: at most one event of a node in five seconds, and only from whoever owns the node.
import type { NewMetric, TelemetryAccepted, TelemetryBatch } from '../../api/telemetry.ts';
import type { Sample, Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';
import type { Principal } from '../identity/principal.ts';
import { Refusal } from '../refusal.ts';
import { findNode } from '../registry/ownership.ts';
import type { Database } from '../storage/database.ts';
import { toleratedFuture } from './rounds.ts';
import type { TelemetryStore } from './store.ts';

/** Events of a node are this far apart, in milliseconds; who sends every five seconds may be off by a little. */
const spacing = 5_000;
const jitter = 500;
/** The name under which values of a node as a whole are stored. */
export const wholeNode = '';
/** How long a caller waits for a store that is full, in milliseconds. */
const patience = 20_000;

export interface SubmitContext {
  readonly db: Database;
  readonly now: () => Date;
  readonly store: TelemetryStore;
  /** Milliseconds. */
  readonly retention: number;
}

type RefusedReason = TelemetryAccepted['refused'][number]['reason'];

/** Batches of one node go one after the other, so that two at once do not both find the place free. */
const lines = new Map<string, Promise<unknown>>();

/**
 * Stores what may be stored.
 * @throws Refusal not-found for nodes of others; too-many where nothing could be taken because it came too often.
 */
export async function submitBatch(
  context: SubmitContext,
  principal: Principal,
  batch: TelemetryBatch,
): Promise<TelemetryAccepted> {
  const nodeId = batch.node_id.toLowerCase();
  await findNode(context.db, principal, nodeId);
  const before = lines.get(nodeId) ?? Promise.resolve();
  const mine = before.catch(() => undefined).then(() => store(context, nodeId, batch.metrics));
  lines.set(nodeId, mine);
  try {
    return await mine;
  } finally {
    if (lines.get(nodeId) === mine) lines.delete(nodeId);
  }
}

async function store(
  context: SubmitContext,
  nodeId: string,
  metrics: readonly NewMetric[],
): Promise<TelemetryAccepted> {
  const refused = new Map<RefusedReason, number>();
  const refuse = (reason: RefusedReason) => refused.set(reason, (refused.get(reason) ?? 0) + 1);
  const now = context.now().getTime();
  const timely = metrics
    .map((metric) => ({ metric, at: new Date(metric.timestamp).getTime() }))
    .filter(({ metric, at }) => {
      const reason = reasonAgainst(metric, at, nodeId, now, context.retention);
      if (reason) refuse(reason);
      return reason === undefined;
    })
    .sort((a, b) => a.at - b.at);
  const taken = new Places(await storedTimes(context.db, nodeId, timely));
  const rounds: Telemetry[] = [];
  for (const { metric, at } of timely) {
    if (taken.take(at)) rounds.push(roundOf(metric, at));
    else refuse('too-often');
  }
  if (rounds.length === 0 && refused.has('too-often')) throw tooOften();
  await within(patience, context.store.add(nodeId, undefined, rounds));
  return { accepted: rounds.length, refused: [...refused].map(([reason, count]) => ({ reason, count })) };
}

function reasonAgainst(
  { node_id }: NewMetric,
  at: number,
  nodeId: string,
  now: number,
  retention: number,
): RefusedReason | undefined {
  if (node_id !== undefined && node_id.toLowerCase() !== nodeId) return 'other-node';
  if (at < now - retention) return 'too-old';
  return at > now + toleratedFuture ? 'in-the-future' : undefined;
}

/** Times that are taken, in order. */
class Places {
  readonly #stored: readonly number[];
  #next = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(stored: readonly number[]) {
    this.#stored = stored;
  }

  /** Times come in order. */
  take(at: number): boolean {
    const gap = spacing - jitter;
    while ((this.#stored[this.#next] ?? Number.POSITIVE_INFINITY) <= at - gap) this.#next++;
    const following = this.#stored[this.#next] ?? Number.POSITIVE_INFINITY;
    if (following < at + gap || at - this.#last < gap) return false;
    this.#last = at;
    return true;
  }
}

async function storedTimes(db: Database, nodeId: string, metrics: readonly { at: number }[]): Promise<number[]> {
  const [first, last] = [metrics[0], metrics.at(-1)];
  if (!first || !last) return [];
  const rows = await db
    .selectFrom('telemetry')
    .select('at')
    .where('node_id', '=', nodeId)
    .where('at', '>', new Date(first.at - spacing))
    .where('at', '<', new Date(last.at + spacing))
    .orderBy('at')
    .execute();
  return rows.map(({ at }) => at.getTime());
}

function roundOf(metric: NewMetric, at: number): Telemetry {
  const { gpus } = metric;
  const samples: Sample[] = gpus?.length
    ? gpus.map((gpu) => ({
        gpu: gpu.gpu.toLowerCase(),
        ...common(gpu.utilization, gpu.memory_utilization, gpu.temperature, gpu.power_draw),
        memoryUsedBytes: gpu.memory_used_bytes === undefined ? undefined : BigInt(gpu.memory_used_bytes),
        smMhz: gpu.sm_mhz,
        memoryMhz: gpu.memory_mhz,
      }))
    : [
        {
          gpu: wholeNode,
          ...common(metric.gpu_utilization, metric.memory_utilization, metric.temperature, metric.power_draw),
        },
      ];
  return { sequence: 0n, time: new Date(at), samples };
}

function common(
  utilization: number | undefined,
  memory: number | undefined,
  temperature: number | undefined,
  watts: number | undefined,
): Partial<Sample> {
  const times = (value: number | undefined, factor: number) =>
    value === undefined ? undefined : Math.round(value * factor);
  return {
    utilizationPercent: times(utilization, 100),
    memoryUtilizationPercent: times(memory, 100),
    temperatureCelsius: times(temperature, 1),
    powerMilliwatts: times(watts, 1000),
  };
}

function tooOften(): Refusal {
  const allowed = 'at most one event of a node in 5 seconds';
  const message = `nothing was taken: for these times the node has telemetry already; ${allowed}`;
  return new Refusal('too-many', 'GPUB_TELEMETRY_RATE', message, {
    field: 'body.metrics',
    allowed,
    retryAfter: spacing / 1000,
  });
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const message = 'the store for telemetry is busy: try again';
  const late = () => reject(new Refusal('unavailable', 'GPUB_UNAVAILABLE', message, { retryAfter: 5 }));
  const timer = setTimeout(late, ms);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    // What is late is stored all the same, or says so to nobody.
    work.catch(() => undefined);
  }
}
