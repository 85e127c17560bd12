// Runs the jobs when they are due, through graphile-worker in the same database: of several brokers one runs a job, and
// what was due while none ran is made up for, once.
import { Logger, parseCronItems, type Runner, run, runMigrations } from 'graphile-worker';
import type { Registry } from 'prom-client';
import type { Log } from '../../daemon/logger.ts';
import { type OpenDatabase, openDatabase } from '../storage/database.ts';
import type { Job, JobSettings } from './job.ts';
import { type JobMetrics, jobMetrics } from './metrics.ts';
import { makeUpForMissed } from './missed.ts';
import { jobs as allJobs } from './table.ts';

export interface JobsOptions {
  /** Of the broker's database; the jobs have connections of their own. */
  readonly databaseUrl: string;
  readonly log: Log;
  readonly now: () => Date;
  readonly registry: Registry;
  readonly settings: JobSettings;
  /** Those of table.ts, unless a test has others. */
  readonly jobs?: readonly Job[];
}

/** Jobs that run. */
export interface RunningJobs {
  /** Takes no more jobs, tells those in progress to end, and waits for them. */
  stop(): Promise<void>;
}

const maxConnections = 5;
/** At the same time, in this process. */
const concurrency = 2;
/** A failed run is tried again this often, with pauses that grow; then at its next time. */
const maxAttempts = 3;

/** Brings the tables of graphile-worker up to date, makes up for what was missed, and starts. */
export async function startJobs(options: JobsOptions): Promise<RunningJobs> {
  const { databaseUrl, log, registry, jobs = allJobs } = options;
  const database = openDatabase({
    url: databaseUrl,
    maxConnections,
    statementTimeout: Math.max(...jobs.map(({ deadline }) => deadline)),
    onError: (err) => log.warn({ err }, 'a connection of the jobs broke'),
  });
  const stopping = new AbortController();
  const metrics = jobMetrics(registry);
  const tasks = jobs.map((job) => [job.name, () => runJob(job, options, database, metrics, stopping.signal)]);
  const items = parseCronItems(
    jobs.map(({ name, schedule }) => ({
      task: name,
      match: schedule,
      // The key makes one of a run that still waits and the next.
      options: { maxAttempts, jobKey: name, jobKeyMode: 'replace' },
    })),
  );
  const common = { pgPool: database.pool, logger: workerLog(log) };
  try {
    await runMigrations(common);
    await makeUpForMissed(database.pool, items, options.now(), maxAttempts);
    const taskList = Object.fromEntries(tasks);
    const runner = await run({ ...common, concurrency, noHandleSignals: true, taskList, parsedCronItems: items });
    return { stop: () => stop(runner, database, stopping) };
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function stop(runner: Runner, database: OpenDatabase, stopping: AbortController): Promise<void> {
  stopping.abort();
  await runner.stop();
  await database.close();
}

async function runJob(
  job: Job,
  { now, settings, log }: JobsOptions,
  { db, pool }: OpenDatabase,
  metrics: JobMetrics,
  stopping: AbortSignal,
): Promise<void> {
  const end = metrics.seconds.startTimer({ name: job.name });
  const deadline = AbortSignal.timeout(job.deadline);
  try {
    await inTime(job, deadline, job.run({ db, pool, now, settings, signal: AbortSignal.any([stopping, deadline]) }));
    metrics.runs.inc({ name: job.name, outcome: 'done' });
  } catch (error) {
    metrics.runs.inc({ name: job.name, outcome: 'failed' });
    log.warn({ err: error, job: job.name }, 'a job failed');
    throw error;
  } finally {
    end();
  }
}

function inTime(job: Job, deadline: AbortSignal, running: Promise<unknown>): Promise<unknown> {
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`${job.name} did not end within ${job.deadline / 1000} s`));
    deadline.addEventListener('abort', fail, { once: true });
  });
  return Promise.race([running, late]);
}

/** What graphile-worker says matters when something is wrong. */
function workerLog(log: Log): Logger {
  return new Logger(() => (level, message) => {
    if (level === 'error') log.error({ message }, 'the job runner reports an error');
    else if (level === 'warning') log.warn({ message }, 'the job runner warns');
    else log.debug({ message }, 'job runner');
  });
}
