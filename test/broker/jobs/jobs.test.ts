// Jobs run once when they are due, are made up for when they were missed, and end in time.
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import type { Job } from '../../../src/broker/jobs/job.ts';
import { startJobs } from '../../../src/broker/jobs/jobs.ts';
import { jobs as allJobs } from '../../../src/broker/jobs/table.ts';
import type { OpenDatabase } from '../../../src/broker/storage/database.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { hour, quietLog } from '../../fixtures/telemetry.ts';

const settings = {
  telemetry: { raw: 48 * hour, minutes: 30 * 24 * hour, hours: 400 * 24 * hour },
  journalRetention: 90 * 24 * hour,
  historyRetention: 365 * 24 * hour,
  marketJournalRetention: 90 * 24 * hour,
  takeMarketSnapshot: async () => {},
  cleanUpInventory: async () => {},
  expireLabels: async () => {},
};

/** A job that is due at midnight, and counts its runs. */
function countingJob(): Job & { runs: number } {
  return {
    name: 'counting',
    schedule: '0 0 * * *',
    deadline: 10_000,
    runs: 0,
    async run() {
      this.runs++;
    },
  };
}

async function running(database: OpenDatabase, jobs: readonly Job[]) {
  const registry = new Registry();
  const started = await startJobs({
    databaseUrl: database.url,
    log: quietLog,
    now: () => new Date(),
    registry,
    settings,
    jobs,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= started.stop();
    return stopped;
  };
  onTestFinished(stop);
  return { registry, stop };
}

/** Waits until graphile-worker has nothing to do. */
async function idle({ pool }: OpenDatabase): Promise<void> {
  for (;;) {
    const { rows } = await pool.query(
      'select count(*)::int as count from graphile_worker._private_jobs where attempts < max_attempts',
    );
    if (rows[0].count === 0) return;
    await sleep(20);
  }
}

test('a new broker runs every job once at its start', async () => {
  const database = await testDatabase();
  const job = countingJob();
  const { registry } = await running(database, [job]);
  await idle(database);
  expect(job.runs).toBe(1);
  const metrics = await registry.metrics();
  expect(metrics).toContain('gpubroker_job_runs_total{name="counting",outcome="done"} 1');
  expect(metrics).toContain('gpubroker_job_seconds_count{name="counting"} 1');
});

test('what was missed while no broker ran is made up for once, and by one of two brokers', async () => {
  const database = await testDatabase();
  const job = { ...countingJob(), schedule: '0 * * * *' };
  const first = await running(database, [job]);
  await idle(database);
  await first.stop();
  job.runs = 0;
  await database.pool.query(`update graphile_worker._private_known_crontabs
    set known_since = now() - interval '9 hours', last_execution = now() - interval '8 hours'`);
  await Promise.all([running(database, [job]), running(database, [job])]);
  await idle(database);
  expect(job.runs).toBe(1);
});

test('a job that does not end in time has failed, and is tried again', async () => {
  const database = await testDatabase();
  let aborted = false;
  const stuck: Job = {
    name: 'stuck',
    schedule: '0 0 * * *',
    deadline: 50,
    run: ({ signal }) =>
      new Promise(() =>
        signal.addEventListener('abort', () => {
          aborted = true;
        }),
      ),
  };
  const { registry } = await running(database, [stuck]);
  for (;;) {
    const { rows } = await database.pool.query(
      'select last_error from graphile_worker.jobs where last_error is not null',
    );
    if (rows[0]) {
      expect(rows[0].last_error).toContain('stuck did not end within 0.05 s');
      break;
    }
    await sleep(20);
  }
  expect(aborted).toBe(true);
  expect(await registry.metrics()).toContain('gpubroker_job_runs_total{name="stuck",outcome="failed"} 1');
});

test('every job of the broker runs on a new database', async () => {
  const database = await testDatabase();
  const { registry } = await running(database, allJobs);
  await idle(database);
  const metrics = await registry.metrics();
  for (const { name } of allJobs) {
    expect(metrics).toContain(`gpubroker_job_runs_total{name="${name}",outcome="done"} 1`);
  }
});
