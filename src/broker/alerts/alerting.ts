// Alerting as a part of the broker: evaluates every second, sends what waits, and shows both as metrics.
//
// Of several brokers on one database one evaluates at a time (an advisory lock); all send.
import { sql } from 'kysely';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Log } from '../../daemon/logger.ts';
import { newId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import type { ChannelOptions } from './channels/channel.ts';
import type { DestinationPolicy } from './channels/destinations.ts';
import type { SmtpOptions } from './channels/email.ts';
import { evaluate } from './evaluation.ts';
import { findAll, type Reading, type Since } from './findings.ts';
import { readMeasurements, readOpenIncidents } from './readings.ts';
import { sendDue, sendingLimits } from './sender.ts';
import { readLastTold, readOpenAlerts, readRules, readToldInHour, storeEvaluation } from './store.ts';

export interface AlertingOptions {
  readonly database: Database;
  readonly now: () => Date;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly registry: Registry;
  /** Undefined: no e-mail. */
  readonly smtp?: SmtpOptions | undefined;
  /** HTTPS to public addresses alone, unless an operator allows more. */
  readonly destinations?: DestinationPolicy | undefined;
  /** Milliseconds between evaluations. */
  readonly interval?: number;
  /** Milliseconds that one attempt to send may take. */
  readonly deadline?: number;
}

/** Alerting that can run. */
export interface Alerting {
  start(): void;
  /** Resolves when what is being evaluated and sent has ended. */
  stop(): Promise<void>;
  /** Evaluates once. */
  tick(now: Date): Promise<void>;
  /** Sends what is due, once. */
  send(now: Date): Promise<void>;
  /** For the routes. */
  readonly channels: ChannelOptions;
}

/** "aler" in ASCII. */
const evaluationLock = 0x616c6572;
/** Measurements come every five seconds; milliseconds. */
const measureInterval = 5000;

/** Makes it; nothing happens until `start`. */
export function createAlerting(options: AlertingOptions): Alerting {
  const { database: db, now, random, log, registry, interval = 1000 } = options;
  const channels: ChannelOptions = {
    smtp: options.smtp,
    destinations: options.destinations ?? { insecure: false, private: false },
    deadline: options.deadline ?? sendingLimits.deadline,
  };
  const metrics = alertMetrics(registry, db);
  const evaluator = createEvaluator(db);
  const stopping = new AbortController();
  const send = (clock: () => Date) =>
    sendDue(
      { db, random, log, channels, onOutcome: (channel, outcome) => metrics.inc({ channel, outcome }) },
      clock,
      stopping.signal,
    );
  const loops: Promise<void>[] = [];
  return {
    channels,
    tick: evaluator,
    send: (at) => send(() => at),
    start: () => {
      loops.push(
        repeat(() => evaluator(now()), 'evaluation of alerts'),
        repeat(() => send(now), 'sending of alerts'),
      );
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(loops);
    },
  };

  /** After a failure it waits longer, up to half a minute. */
  async function repeat(work: () => Promise<void>, what: string): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        await work();
        failures = 0;
      } catch (error) {
        failures++;
        log.error({ err: error }, `${what} failed: trying again`);
      }
      const wait = Math.min(interval * 2 ** Math.min(failures, 10), Math.max(30_000, interval));
      await pause(failures > 0 ? wait * (0.5 + 0.5 * random()) : wait, stopping.signal);
    }
  }
}

/** Evaluates in one transaction; remembers since when thresholds have been passed. */
function createEvaluator(db: Database): (now: Date) => Promise<void> {
  let since: Since = new Map();
  let measured: { at: number; rules: string; readings: readonly Reading[] } | undefined;
  return (now) =>
    db.transaction().execute(async (trx) => {
      const lock = await sql<{ mine: boolean }>`select pg_try_advisory_xact_lock(${evaluationLock}) as mine`.execute(
        trx,
      );
      if (!lock.rows[0]?.mine) return;
      const rules = await readRules(trx);
      const alerts = await readOpenAlerts(trx);
      if (rules.length === 0 && alerts.length === 0) return;
      const about = JSON.stringify(rules.map(({ id, condition }) => [id, condition]));
      if (!measured || measured.rules !== about || now.getTime() - measured.at >= measureInterval) {
        measured = { at: now.getTime(), rules: about, readings: await readMeasurements(trx, rules, now) };
      }
      const wanted = rules.some(({ condition }) => condition.type === 'incident');
      const incidents = wanted ? await readOpenIncidents(trx) : [];
      const found = findAll(rules, incidents, measured.readings, since, now);
      since = found.since;
      const evaluation = evaluate({
        rules,
        findings: found.findings,
        alerts,
        lastTold: await readLastTold(trx, rules, now),
        toldInHour: await readToldInHour(trx, now),
        now,
        newId: () => newId(now.getTime()),
      });
      await storeEvaluation(trx, now, rules, evaluation);
    });
}

function alertMetrics(registry: Registry, db: Database): Counter<'channel' | 'outcome'> {
  new Gauge({
    name: 'gpubroker_incidents_open',
    help: 'Incidents that are open or acknowledged.',
    labelNames: ['severity'],
    registers: [registry],
    async collect() {
      const rows = await db
        .selectFrom('incidents')
        .select(({ fn }) => ['severity', fn.countAll<number>().as('open')])
        .where('closed_at', 'is', null)
        .groupBy('severity')
        .execute();
      for (const severity of ['info', 'warning', 'critical'] as const) {
        this.set({ severity }, rows.find((row) => row.severity === severity)?.open ?? 0);
      }
    },
  });
  new Gauge({
    name: 'gpubroker_alerts_firing',
    help: 'Alerts that fire.',
    registers: [registry],
    async collect() {
      const row = await db
        .selectFrom('alerts')
        .select(({ fn }) => fn.countAll<number>().as('firing'))
        .where('status', '=', 'firing')
        .executeTakeFirstOrThrow();
      this.set(row.firing);
    },
  });
  return new Counter({
    name: 'gpubroker_alert_deliveries_total',
    help: 'Attempts to deliver a notice, by channel and outcome (sent, failed, given-up).',
    labelNames: ['channel', 'outcome'],
    registers: [registry],
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
