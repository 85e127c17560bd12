// Every job of the broker: when it is due and what it does.
import { removeOldAudit } from '../identity/audit-log.ts';
import { removeOldSessions } from '../identity/sessions.ts';
import { createPartitionsAhead, removeOldTelemetry } from '../telemetry/retention.ts';
import { rollUp } from '../telemetry/rollups.ts';
import { removeOldVerifications } from '../verification/retention.ts';
import { removeOldAlerts, removeOldIncidents, removeOldTokens } from './history.ts';
import type { Job } from './job.ts';
import { removeOldJournal } from './journal-retention.ts';
import { removeOldMarketEvents, removeOldMarketJournal } from './market-retention.ts';

const minute = 60_000;

export const jobs: readonly Job[] = [
  {
    name: 'telemetry-partitions',
    schedule: '5 * * * *',
    deadline: minute,
    run: ({ pool, now }) => createPartitionsAhead(pool, now().getTime()),
  },
  {
    name: 'telemetry-rollups',
    schedule: '* * * * *',
    deadline: 5 * minute,
    run: ({ pool, now, settings, signal }) => {
      const time = now().getTime();
      return rollUp(pool, time, time - settings.telemetry.raw, signal);
    },
  },
  {
    name: 'telemetry-retention',
    schedule: '10 * * * *',
    deadline: 5 * minute,
    run: ({ pool, now, settings }) => removeOldTelemetry(pool, now().getTime(), settings.telemetry),
  },
  {
    name: 'inventory-clean-up',
    schedule: '15 * * * *',
    deadline: 5 * minute,
    run: ({ settings }) => settings.cleanUpInventory(),
  },
  {
    name: 'label-expiry',
    schedule: '*/5 * * * *',
    deadline: 4 * minute,
    run: ({ settings, signal }) => settings.expireLabels(signal),
  },
  {
    name: 'verification-retention',
    schedule: '15 2 * * *',
    deadline: 10 * minute,
    run: ({ db, now, settings, signal }) =>
      removeOldVerifications(db, new Date(now().getTime() - settings.historyRetention), signal),
  },
  {
    name: 'journal-retention',
    schedule: '20 1 * * *',
    deadline: 10 * minute,
    run: removeOldJournal,
  },
  {
    name: 'market-snapshot',
    schedule: '5 1 * * *',
    deadline: 15 * minute,
    run: ({ settings, signal }) => settings.takeMarketSnapshot(signal),
  },
  {
    name: 'market-journal-retention',
    schedule: '25 1 * * *',
    deadline: 15 * minute,
    run: removeOldMarketJournal,
  },
  {
    name: 'market-event-retention',
    schedule: '35 * * * *',
    deadline: 15 * minute,
    run: removeOldMarketEvents,
  },
  {
    name: 'audit-retention',
    schedule: '30 1 * * *',
    deadline: 10 * minute,
    run: ({ db, now }) => removeOldAudit(db, now()),
  },
  {
    name: 'session-clean-up',
    schedule: '40 1 * * *',
    deadline: 5 * minute,
    run: ({ db, now }) => removeOldSessions(db, now()),
  },
  { name: 'token-clean-up', schedule: '45 1 * * *', deadline: 5 * minute, run: removeOldTokens },
  { name: 'alert-clean-up', schedule: '50 1 * * *', deadline: 10 * minute, run: removeOldAlerts },
  { name: 'incident-clean-up', schedule: '55 1 * * *', deadline: 10 * minute, run: removeOldIncidents },
];
