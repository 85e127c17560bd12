// Forgets old verifications, but never the last ones of a GPU: its label stands on them. In pieces, so that no transaction
// is long.
import { sql } from 'kysely';
import type { Database } from '../storage/database.ts';

/** Of a GPU, of each kind and outcome: these stay, however old they are. */
const lastOnes = 5;
/** GPUs of one transaction. */
const piece = 500;

/** Removes those from before a time. @returns how many */
export async function removeOldVerifications(db: Database, before: Date, signal?: AbortSignal): Promise<number> {
  let total = 0;
  let last: string | null = '00000000-0000-0000-0000-000000000000';
  while (last !== null && signal?.aborted !== true) {
    const { rows } = await sql<{ last: string | null; removed: number }>`
      with piece as materialized (
        select id from gpus where id > ${last} order by id limit ${piece}
      ), aged as (
        select v.id, v.at, row_number() over (partition by gpu_id, kind, outcome order by at desc, v.id desc) as place
        from verifications v join piece on piece.id = v.gpu_id
      ), gone as (
        delete from verifications where id in (select id from aged where place > ${lastOnes} and at < ${before})
        returning id
      )
      select (select id from piece order by id desc limit 1) as last, (select count(*) from gone) as removed
    `.execute(db);
    last = rows[0]?.last ?? null;
    total += rows[0]?.removed ?? 0;
  }
  return total;
}
