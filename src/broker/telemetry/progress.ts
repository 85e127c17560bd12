// Up to where telemetry has been rolled up, and how batches and rollups agree on it.
//
// A rollup must see every row of the minutes that it takes, or learn later that there is another. So it first claims
// the minutes, alone: every batch holds the lock shared until it has committed, hence what committed before the claim
// is seen by the rollup, and what commits after it reads the claim and leaves a mark in telemetry_late.
import type { Runner } from './partitions.ts';

/** The key of the advisory lock: "tele" in ASCII. */
export const telemetryLock = 0x74656c65;

const hourMs = 3_600_000;

/** The rows of telemetry_progress. */
export type ProgressKind = 'claimed' | '1m' | '1h';

/** Milliseconds; rows before it are late. Undefined while nothing was rolled up. */
export function claimed(runner: Runner): Promise<number | undefined> {
  return readProgress(runner, 'claimed');
}

/** Milliseconds. */
export async function readProgress(runner: Runner, kind: ProgressKind): Promise<number | undefined> {
  const { rows } = await runner.query<{ through: Date }>('select through from telemetry_progress where period = $1', [
    kind,
  ]);
  return rows[0]?.through.getTime();
}

/** @param through milliseconds. */
export async function writeProgress(runner: Runner, kind: ProgressKind, through: number): Promise<void> {
  await runner.query(
    `insert into telemetry_progress values ($1, $2)
     on conflict (period) do update set through = greatest(telemetry_progress.through, excluded.through)`,
    [kind, new Date(through).toISOString()],
  );
}

/** @param at milliseconds. */
export function startOfHour(at: number): number {
  return Math.floor(at / hourMs) * hourMs;
}
