// What is kept how long: partitions are made ahead of time, and dropped as a whole when all of it is too old.
import type pg from 'pg';
import { createPartition, dropPartitions, hourTable, minuteTable, partitionsFrom, rawTable } from './partitions.ts';

/** Milliseconds. */
export interface TelemetryRetention {
  readonly raw: number;
  readonly minutes: number;
  readonly hours: number;
}

/** Today's partitions and those of the two days or months after. @param now milliseconds. */
export async function createPartitionsAhead(pool: pg.Pool, now: number): Promise<void> {
  for (const table of [rawTable, minuteTable, hourTable]) {
    for (const partition of partitionsFrom(table, now, 3)) await createPartition(pool, table, partition);
  }
}

/** Drops what is older than it is kept. @param now milliseconds. @returns the names of the partitions dropped. */
export async function removeOldTelemetry(
  pool: pg.Pool,
  now: number,
  { raw, minutes, hours }: TelemetryRetention,
): Promise<readonly string[]> {
  return [
    ...(await dropPartitions(pool, rawTable, now - raw)),
    ...(await dropPartitions(pool, minuteTable, now - minutes)),
    ...(await dropPartitions(pool, hourTable, now - hours)),
  ];
}
