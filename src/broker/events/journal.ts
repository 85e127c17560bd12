// Appends to the journal, in the transaction of what happened. Readers follow it by seq.
//
// A reader that has seen seq n must never miss a smaller one that commits later. So whoever appends holds one lock
// until its transaction ends: append last, and keep such transactions short.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';

/** Something that happened. Ids that do not apply are left out. */
export interface JournalEvent {
  /** For instance `gpu.changed`. */
  readonly kind: string;
  readonly at: Date;
  readonly providerId?: string | undefined;
  readonly clusterId?: string | undefined;
  readonly nodeId?: string | undefined;
  readonly gpuId?: string | undefined;
  /** What the thing is after the event, as the API shows it. */
  readonly data: Record<string, unknown>;
}

/** The channel of LISTEN on which the last seq is told after commit. */
export const journalChannel = 'gpubroker_journal';

/** The key of the advisory lock that orders commits: "jour" in ASCII. */
const orderLock = 0x6a6f7572;

/** Waits for its turn at the journal, until the transaction ends: for who must read before it knows what to append. */
export async function lockJournal(trx: Queryable): Promise<void> {
  await sql`select pg_advisory_xact_lock(${orderLock})`.execute(trx);
}

/** Appends the events in order; `trx` must be a transaction. */
export async function appendToJournal(trx: Queryable, events: readonly JournalEvent[]): Promise<void> {
  if (events.length === 0) return;
  await lockJournal(trx);
  const rows = events.map((event) => ({
    at: event.at,
    kind: event.kind,
    provider_id: event.providerId ?? null,
    cluster_id: event.clusterId ?? null,
    node_id: event.nodeId ?? null,
    gpu_id: event.gpuId ?? null,
    data: event.data,
  }));
  await sql`
    with added as (
      insert into journal (seq, at, kind, provider_id, cluster_id, node_id, gpu_id, data)
      select nextval('journal_seq'), event.at, event.kind, event.provider_id, event.cluster_id, event.node_id,
        event.gpu_id, event.data
      from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as event
        (at timestamptz, kind text, provider_id uuid, cluster_id uuid, node_id uuid, gpu_id uuid, data jsonb)
      returning seq
    )
    select pg_notify(${journalChannel}, max(seq)::text) from added
  `.execute(trx);
}
