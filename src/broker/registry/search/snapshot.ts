// The inventory as it was: of each GPU, the last event of the journal up to a time. A page is cheap whatever the number
// of events: the index gives one GPU after another, and the last event of each.
import { sql } from 'kysely';
import { Type } from 'typebox';
import type { SnapshotItem, SnapshotPage, SnapshotQuery, SnapshotTotal } from '../../../api/inventory.ts';
import { visibleAccount } from '../../identity/policy.ts';
import type { Principal } from '../../identity/principal.ts';
import { providersOf } from '../../identity/visible-providers.ts';
import { cursorReader, encodeCursor } from '../../paging.ts';
import { invalid, Refusal } from '../../refusal.ts';
import type { Queryable } from '../../storage/database.ts';
import type { RegistryContext } from '../change.ts';

/** What a snapshot needs. */
export interface SnapshotContext extends RegistryContext {
  /** How long the journal keeps what happened, in milliseconds; undefined for ever. */
  readonly journalRetention: number | undefined;
}

const Id = Type.String({ pattern: '^[0-9a-f-]{36}$' });
/** The time, the last event that counts, and the last GPU with its provider. */
const readCursor = cursorReader(Type.Tuple([Type.Integer(), Type.Integer({ minimum: 0 }), Id, Id]));

interface SnapshotRow {
  readonly provider_id: string;
  readonly gpu_id: string;
  readonly seq: number;
  readonly at: Date;
  readonly kind: string;
  readonly data: Record<string, unknown>;
}

/**
 * One page of what the caller may see, ordered by provider and GPU.
 * @throws Refusal `GPUB_INVALID` for a time in the future; `GPUB_TOO_OLD` for one that the journal no longer reaches
 */
export async function inventorySnapshot(
  { db, now, journalRetention }: SnapshotContext,
  principal: Principal,
  { at: text, limit = 50, cursor, summary }: SnapshotQuery,
): Promise<SnapshotPage> {
  const at = new Date(text);
  const present = now();
  if (Number.isNaN(at.getTime()) || at > present) throw invalid('query.at', text, 'a time that has passed');
  if (journalRetention !== undefined && at.getTime() < present.getTime() - journalRetention) {
    const oldest = new Date(present.getTime() - journalRetention).toISOString();
    const allowed = `a time after ${oldest}`;
    throw new Refusal('invalid', 'GPUB_TOO_OLD', `query.at: the journal reaches back to ${oldest}`, {
      field: 'query.at',
      value: text,
      allowed,
    });
  }
  const place = readCursor(cursor);
  if (place && place[0] !== at.getTime()) throw invalid('query.cursor', cursor, 'a cursor with the same `at`');
  const seq = place?.[1] ?? (await lastSeqAt(db, at));
  const providers = await providersOf(db, visibleAccount(principal));
  const from = place ? ([place[2], place[3]] as const) : undefined;
  const found = await readItems(db, { seq, providers, limit, from });
  const last = found.more;
  return {
    at: at.toISOString(),
    seq,
    items: found.items,
    next_cursor: last ? encodeCursor([at.getTime(), seq, last.provider_id, last.gpu_id]) : null,
    ...(summary && { summary: await totals(db, seq, providers) }),
  };
}

/** The journal up to this event is what had happened: a prefix, so that nothing in it is half done. */
async function lastSeqAt(db: Queryable, at: Date): Promise<number> {
  const { rows } = await sql<{ seq: number }>`
    select seq from journal where at <= ${at} order by at desc, seq desc limit 1
  `.execute(db);
  return rows[0]?.seq ?? 0;
}

interface Wanted {
  readonly seq: number;
  readonly providers: readonly string[] | undefined;
  readonly limit: number;
  readonly from: readonly [string, string] | undefined;
}

/** Reads on until the page is full: GPUs that were gone already are stepped over, in chunks. */
async function readItems(db: Queryable, wanted: Wanted): Promise<{ items: SnapshotItem[]; more?: SnapshotRow }> {
  const rows: SnapshotRow[] = [];
  let from = wanted.from;
  for (;;) {
    const chunk = await readChunk(db, { ...wanted, from });
    rows.push(...chunk.filter(({ kind }) => kind !== 'gpu.removed'));
    const end = chunk.at(-1);
    if (!end || chunk.length <= wanted.limit || rows.length > wanted.limit) break;
    from = [end.provider_id, end.gpu_id];
  }
  const page = rows.slice(0, wanted.limit);
  const items = page.map(({ gpu_id, seq, at, data }) => {
    // What an event says besides of what was verified is no part of the GPU.
    const { verification: _, ...gpu } = data;
    return { gpu_id, seq, since: at.toISOString(), gpu };
  });
  const last = page.at(-1);
  return rows.length > wanted.limit && last ? { items, more: last } : { items };
}

/** The next GPUs, each with its last event: a loose walk over the index. */
async function readChunk(db: Queryable, { seq, providers, limit, from }: Wanted): Promise<SnapshotRow[]> {
  const mine = providers ? sql`and provider_id = any(${providers}::uuid[])` : sql``;
  const first = from ? sql`and (provider_id, gpu_id) > (${from[0]}::uuid, ${from[1]}::uuid)` : sql``;
  const { rows } = await sql<SnapshotRow>`
    with recursive gpu as (
      (select provider_id, gpu_id from journal where kind like 'gpu.%' ${mine} ${first}
        order by provider_id, gpu_id limit 1)
      union all
      select next.provider_id, next.gpu_id from gpu, lateral (
        select provider_id, gpu_id from journal
        where kind like 'gpu.%' ${mine} and (provider_id, gpu_id) > (gpu.provider_id, gpu.gpu_id)
        order by provider_id, gpu_id limit 1
      ) next
    )
    select gpu.provider_id, gpu.gpu_id, event.seq, event.at, event.kind, event.data
    from gpu, lateral (
      select seq, at, kind, data from journal
      where kind like 'gpu.%' and provider_id = gpu.provider_id and gpu_id = gpu.gpu_id and seq <= ${seq}
      order by seq desc limit 1
    ) event
    limit ${limit + 1}
  `.execute(db);
  return rows;
}

/** The last event of each GPU is found in the index alone; of the events only those are read. */
async function totals(db: Queryable, seq: number, providers: readonly string[] | undefined): Promise<SnapshotTotal[]> {
  const mine = providers ? sql`and provider_id = any(${providers}::uuid[])` : sql``;
  const { rows } = await sql<SnapshotTotal>`
    with last as materialized (
      select max(seq) as seq from journal
      where kind like 'gpu.%' and seq <= ${seq} ${mine}
      group by provider_id, gpu_id
    )
    select data->>'product' as product, coalesce(data->>'health', 'unknown') as health, count(*) as gpus
    from last join journal using (seq)
    where kind <> 'gpu.removed'
    group by 1, 2 order by 1 nulls first, 2
  `.execute(db);
  return rows;
}
