// Makes up for jobs that were due while no broker ran: once, however often they were due and whichever brokers start.
import type { ParsedCronItem } from 'graphile-worker';
import type pg from 'pg';

const minuteMs = 60_000;
/** Every job is due at least once in so many minutes. */
const lookBack = 26 * 60;

/**
 * Adds a run of every job that was due since it last ran, or that is new. Works on graphile-worker's own record of when
 * each was last due, in one statement a job: of several brokers that start together one finds something to do.
 */
export async function makeUpForMissed(
  pool: pg.Pool,
  items: readonly ParsedCronItem[],
  now: Date,
  maxAttempts: number,
): Promise<void> {
  for (const item of items) {
    const due = lastDue(item, now);
    if (!due) continue;
    await pool.query(
      `insert into graphile_worker._private_known_crontabs (identifier, known_since) values ($1, $2)
       on conflict do nothing`,
      [item.identifier, due],
    );
    await pool.query(
      `with missed as (
         update graphile_worker._private_known_crontabs set last_execution = $2
         where identifier = $1 and (last_execution is null or last_execution < $2)
         returning identifier
       )
       select graphile_worker.add_job(identifier, job_key => identifier, max_attempts => $3) from missed`,
      [item.identifier, due, maxAttempts],
    );
  }
}

/** When it was last due, to the minute. */
function lastDue({ match }: ParsedCronItem, now: Date): Date | undefined {
  const thisMinute = Math.floor(now.getTime() / minuteMs);
  for (let minute = thisMinute; minute > thisMinute - lookBack; minute--) {
    const at = new Date(minute * minuteMs);
    const digest = {
      min: at.getUTCMinutes(),
      hour: at.getUTCHours(),
      date: at.getUTCDate(),
      month: at.getUTCMonth() + 1,
      dow: at.getUTCDay(),
    };
    if (match(digest)) return at;
  }
  return undefined;
}
