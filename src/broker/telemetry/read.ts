// Telemetry of a node over a range of time, as the API shows it.
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import {
  type NodeMetric,
  type NodeTelemetry,
  type Resolution,
  type TelemetryPage,
  type TelemetryQuery,
  telemetryLimits,
} from '../../api/telemetry.ts';
import type { Principal } from '../identity/principal.ts';
import { cursorReader, encodeCursor } from '../paging.ts';
import { invalid } from '../refusal.ts';
import { findNode } from '../registry/ownership.ts';
import type { Database } from '../storage/database.ts';
import type { NodeStatus, Schema } from '../storage/schema.ts';
import { rawMetric, rollupMetric } from './view.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** The longest range at each resolution, in milliseconds. */
export const longestRange: Readonly<Record<Resolution, number>> = { raw: day, '1m': 31 * day, '1h': 400 * day };
/** `auto` takes the finest resolution with no more than about this many metrics in the range. */
const autoRange = { raw: hour, '1m': day } as const;

export interface ReadContext {
  readonly db: Database;
  readonly now: () => Date;
  /** How long readings are kept as they came, in milliseconds. */
  readonly retention: number;
}

interface Range {
  readonly from: Date;
  readonly to: Date;
}

/** Where a page ended: the time of its last metric, and how many with that time were shown. */
const readCursor = cursorReader(
  Type.Object(
    {
      r: Type.Union([Type.Literal('raw'), Type.Literal('1m'), Type.Literal('1h')]),
      at: Type.Integer(),
      n: Type.Integer({ minimum: 0 }),
    },
    { additionalProperties: false },
  ),
);

/** @throws Refusal not-found for nodes of others, invalid for ranges that make no sense or are too long. */
export async function readTelemetry(
  context: ReadContext,
  principal: Principal,
  id: string,
  query: TelemetryQuery,
): Promise<TelemetryPage> {
  const node = await findNode(context.db, principal, id);
  const cursor = readCursor(query.cursor);
  const range = rangeOf(query, context.now());
  const resolution = cursor?.r ?? resolutionOf(query, range, context);
  checkLength(resolution, range);
  const limit = query.limit ?? telemetryLimits.page;
  const place = cursor ?? { at: range.from.getTime(), n: 0 };
  const rest = { from: new Date(Math.max(range.from.getTime(), place.at)), to: range.to };
  const statusAt = await statuses(context.db, node.id, node.status, rest);
  const found =
    resolution === 'raw'
      ? await rawMetrics(context.db, node.id, rest, place.n, limit + 1, statusAt)
      : await rollupMetrics(context.db, node.id, resolution, rest, place.n, limit + 1, statusAt);
  const metrics = found.slice(0, limit);
  return {
    metrics,
    resolution,
    next_cursor: found.length > limit ? encodeCursor({ r: resolution, ...after(metrics, place) }) : null,
  };
}

/** The last reading of a node, and the minutes of the last hour. */
export async function nodeTelemetry(context: ReadContext, principal: Principal, id: string): Promise<NodeTelemetry> {
  const { db, now, retention } = context;
  const node = await findNode(db, principal, id);
  const time = now().getTime();
  const range = { from: new Date(time - hour), to: new Date(time + hour) };
  const statusAt = await statuses(db, node.id, node.status, range);
  const last = await db
    .selectFrom('telemetry')
    .selectAll()
    .where('node_id', '=', node.id)
    .where('at', '>=', new Date(time - retention))
    .orderBy('at', 'desc')
    .limit(1)
    .executeTakeFirst();
  return {
    node_id: node.id,
    status: node.status,
    latest: last ? rawMetric(last, statusAt(last.at)) : null,
    history: await rollupMetrics(db, node.id, '1m', range, 0, 60, statusAt),
  };
}

function rangeOf({ from, to }: TelemetryQuery, now: Date): Range {
  const end = to === undefined ? now : new Date(to);
  const start = from === undefined ? new Date(end.getTime() - hour) : new Date(from);
  if (start >= end) throw invalid('query.from', from ?? start.toISOString(), 'a time before query.to');
  return { from: start, to: end };
}

function resolutionOf({ resolution = 'auto' }: TelemetryQuery, { from, to }: Range, context: ReadContext): Resolution {
  if (resolution !== 'auto') return resolution;
  const length = to.getTime() - from.getTime();
  const isKept = from.getTime() >= context.now().getTime() - context.retention;
  if (length <= autoRange.raw && isKept) return 'raw';
  return length <= autoRange['1m'] ? '1m' : '1h';
}

function checkLength(resolution: Resolution, { from, to }: Range): void {
  const longest = longestRange[resolution];
  if (to.getTime() - from.getTime() <= longest) return;
  throw invalid(
    'query.from',
    from.toISOString(),
    `at most ${longest / day} days before query.to at the resolution ${resolution}, or a coarser resolution`,
  );
}

function after(metrics: readonly NodeMetric[], place: { at: number; n: number }): { at: number; n: number } {
  const last = metrics.at(-1)?.timestamp ?? '';
  const at = new Date(last).getTime();
  const same = metrics.filter(({ timestamp }) => timestamp === last).length;
  return { at, n: same + (at === place.at ? place.n : 0) };
}

type StatusAt = (at: Date) => NodeStatus;

/** The status that the node had at each time of the range. */
async function statuses(db: Database, nodeId: string, current: NodeStatus, range: Range): Promise<StatusAt> {
  const before = await db
    .selectFrom('node_status_changes')
    .select(['at', 'status'])
    .where('node_id', '=', nodeId)
    .where('at', '<=', range.from)
    .orderBy('at', 'desc')
    .limit(1)
    .execute();
  const within = await db
    .selectFrom('node_status_changes')
    .select(['at', 'status'])
    .where('node_id', '=', nodeId)
    .where('at', '>', range.from)
    .where('at', '<', range.to)
    .orderBy('at')
    .execute();
  const changes = [...before, ...within];
  return (at) => {
    if (changes.length === 0) return current;
    return changes.findLast((change) => change.at <= at)?.status ?? 'offline';
  };
}

async function rawMetrics(
  db: Database,
  nodeId: string,
  { from, to }: Range,
  skip: number,
  limit: number,
  statusAt: StatusAt,
): Promise<NodeMetric[]> {
  const rows = await db
    .selectFrom('telemetry')
    .selectAll()
    .where('node_id', '=', nodeId)
    .where('at', '>=', from)
    .where('at', '<', to)
    .orderBy('at')
    // Rows never change, so among those of one time their place is an order.
    .orderBy(sql`telemetry.ctid`)
    .offset(skip)
    .limit(limit)
    .execute();
  return rows.map((row) => rawMetric(row, statusAt(row.at)));
}

type RollupRow = Selectable<Schema['telemetry_rollups']>;

async function rollupMetrics(
  db: Database,
  nodeId: string,
  period: '1m' | '1h',
  { from, to }: Range,
  skip: number,
  limit: number,
  statusAt: StatusAt,
): Promise<NodeMetric[]> {
  const rows = await db
    .with('page', (cte) =>
      cte
        .selectFrom('telemetry_rollups')
        .select('at')
        .distinct()
        .where('period', '=', period)
        .where('node_id', '=', nodeId)
        .where('at', '>=', from)
        .where('at', '<', to)
        .orderBy('at')
        .offset(skip)
        .limit(limit),
    )
    .selectFrom('telemetry_rollups')
    .selectAll()
    .where('period', '=', period)
    .where('node_id', '=', nodeId)
    .where('at', '>=', from)
    .where('at', '<', to)
    .where('at', 'in', (eb) => eb.selectFrom('page').select('page.at'))
    .orderBy('at')
    .orderBy('gpu_name')
    .execute();
  const byTime = new Map<number, RollupRow[]>();
  for (const row of rows) byTime.set(row.at.getTime(), [...(byTime.get(row.at.getTime()) ?? []), row]);
  return [...byTime.values()].map((gpus) => rollupMetric(gpus, statusAt));
}
