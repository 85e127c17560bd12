// A device that a complete enumeration no longer shows: missing at first, removed the third time in a row.
import { expect, test } from 'vitest';
import { sleep, until, watchRunning } from './watched-source.ts';

test('is missing, then removed; others only move to another index', async () => {
  const { told, device, states, setFaults } = await watchRunning({ interval: 200 });
  const { uuid } = device(1);
  const last = device(3).uuid;
  setFaults({ removed: [1] });
  await until(() => told.some((call) => call.state === 'removed'));
  expect(told.filter((call) => call.uuid === uuid && call.state !== 'ok').map((call) => call.state)).toEqual([
    'missing',
    'removed',
  ]);
  const [missing, removed] = told.filter((call) => call.uuid === uuid && call.state !== 'ok').map((call) => call.at);
  expect((removed ?? 0) - (missing ?? 0)).toBeGreaterThan(300);
  expect(states()).toEqual(['ok', 'ok', 'ok']);
  expect(device(2).uuid).toBe(last);
  expect(told.filter((call) => call.uuid !== uuid).every((call) => call.state === 'ok')).toBe(true);
});

test('comes back as the same device', async () => {
  const { told, device, states, setFaults } = await watchRunning();
  const { uuid } = device(3);
  setFaults({ removed: [3] });
  await until(() => states().length === 3);
  setFaults({});
  await until(() => states().length === 4);
  expect(told.findLast((call) => call.uuid === uuid)).toMatchObject({ state: 'ok', record: { index: 3 } });
});

test('is not removed while some other device does not answer', async () => {
  const { told, device, states, setFaults } = await watchRunning();
  const { uuid } = device(3);
  setFaults({ removed: [3], '0': { failed: 'for now' } });
  await until(() => told.some((call) => call.uuid === uuid && call.state === 'failed'));
  await sleep(600);
  expect(states()).toHaveLength(4);
  setFaults({ removed: [3] });
  await until(() => states().length === 3);
});

test('a transient failure never removes', async () => {
  const { told, states, setFaults } = await watchRunning();
  for (let times = 0; times < 3; times += 1) {
    setFaults({ driver: { gone: true } });
    await until(() => states().every((state) => state === 'driver-gone'));
    setFaults({ '2': { lost: true } });
    await until(() => states()[2] === 'lost');
    setFaults({});
    await until(() => states().every((state) => state === 'ok'));
  }
  expect(told.some((call) => call.state === 'removed' || call.state === 'missing')).toBe(false);
}, 20_000);
