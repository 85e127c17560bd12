// What a job is: something that is due at fixed times, and may be done twice without harm.
import type pg from 'pg';
import type { Database } from '../storage/database.ts';
import type { TelemetryRetention } from '../telemetry/retention.ts';

/** What jobs work with. */
export interface JobContext {
  /** Connections of the jobs alone, whose statements may take as long as the longest deadline. */
  readonly db: Database;
  readonly pool: pg.Pool;
  readonly now: () => Date;
  /** Aborted at the job's deadline and when the broker stops. */
  readonly signal: AbortSignal;
  readonly settings: JobSettings;
}

/** What people may set. Milliseconds. */
export interface JobSettings {
  readonly telemetry: TelemetryRetention;
  readonly journalRetention: number;
  /** Commands of the market. */
  readonly marketJournalRetention: number;
  /** Takes a snapshot of the market's state, where there is something new in it. */
  readonly takeMarketSnapshot: (signal: AbortSignal) => Promise<void>;
  /** Closed incidents, resolved alerts, and verifications but the last ones of a GPU. */
  readonly historyRetention: number;
  /** Removes nodes and GPUs that have been gone for long. */
  readonly cleanUpInventory: () => Promise<void>;
  /** Lets labels of GPUs run out. */
  readonly expireLabels: (signal: AbortSignal) => Promise<void>;
}

/** One job. */
export interface Job {
  readonly name: string;
  /** As in a crontab, in UTC. */
  readonly schedule: string;
  /** Milliseconds. */
  readonly deadline: number;
  run(context: JobContext): Promise<unknown>;
}
