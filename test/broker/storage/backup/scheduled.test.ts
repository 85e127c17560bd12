// Backups that nobody has to think of: taken when the last is an interval old, and told of when they are not.
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  type ScheduledBackupsOptions,
  startScheduledBackups,
} from '../../../../src/broker/storage/backup/scheduled.ts';
import { silentLog } from '../../../fixtures/storage.ts';

function schedule(options: Partial<ScheduledBackupsOptions>) {
  const warnings: (string | undefined)[] = [];
  const registry = new Registry();
  const backups = startScheduledBackups({
    interval: 86_400_000,
    last: () => undefined,
    take: async () => {},
    onWarning: (warning) => warnings.push(warning),
    log: silentLog,
    now: () => new Date(),
    random: () => 0,
    registry,
    firstAfter: 0,
    ...options,
  });
  onTestFinished(() => backups.stop());
  return { backups, warnings, registry };
}

test('the first is taken soon, the next when an interval is over', async () => {
  let last: Date | undefined;
  const taken: number[] = [];
  const take = async () => {
    last = new Date();
    taken.push(last.getTime());
  };
  const { registry } = schedule({ interval: 50, last: () => last, take });
  await vi.waitFor(() => expect(taken.length).toBeGreaterThan(2));
  for (const [place, at] of taken.slice(1).entries()) expect(at - (taken[place] ?? 0)).toBeGreaterThanOrEqual(49);
  const [metric] = (await registry.getMetricsAsJSON()).filter(({ name }) => name.startsWith('gpubroker_backup'));
  expect(metric?.values[0]?.value).toBeGreaterThan(1.7e9);
});

test('one that is younger than the interval is enough', async () => {
  const take = vi.fn(async () => {});
  const { warnings } = schedule({ last: () => new Date(Date.now() - 3_600_000), take });
  await sleep(50);
  expect(take).not.toHaveBeenCalled();
  expect(warnings).toEqual([undefined]);
});

test('with an interval of 0 none is taken', async () => {
  const take = vi.fn(async () => {});
  schedule({ interval: 0, take });
  await sleep(20);
  expect(take).not.toHaveBeenCalled();
});

test('a failure is told with its reason, and tried again until it is over', async () => {
  let last: Date | undefined;
  let attempts = 0;
  const take = async () => {
    attempts++;
    if (attempts < 3) throw new Error('the disk is full');
    last = new Date();
  };
  const { warnings } = schedule({ interval: 40, last: () => last, take });
  await vi.waitFor(() => expect(warnings).toContain('there is no backup: the disk is full'));
  await vi.waitFor(() => expect(attempts).toBeGreaterThan(2));
  await vi.waitFor(() => expect(warnings.at(-1)).toBeUndefined());
});

test('a last backup of more than two intervals ago is told of', async () => {
  const now = new Date('2026-03-05T00:00:00Z');
  const { warnings } = schedule({
    last: () => new Date('2026-03-02T00:00:00Z'),
    now: () => now,
    firstAfter: 60_000,
  });
  expect(warnings).toEqual(['the last backup is of 2026-03-02T00:00:00.000Z, more than two intervals ago']);
});

test('stop gives one in progress up', async () => {
  const take = vi.fn((signal: AbortSignal) => sleep(60_000, undefined, { signal }));
  const { backups } = schedule({ take });
  await vi.waitFor(() => expect(take).toHaveBeenCalled());
  await backups.stop();
});
