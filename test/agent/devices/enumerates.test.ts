// A source that is well: every device is found, told of, and kept up to date.
import { expect, test } from 'vitest';
import { PROFILES } from '../../../src/agent/devices/simulated/profiles.ts';
import { sleep, until, watch, watchRunning } from './watched-source.ts';

test('every device is told of, first with its record and as ok', async () => {
  const { told, supervisor, source } = await watchRunning({ profile: 'dgx-h100' });
  const { devices } = supervisor.views();
  expect(devices.map(({ record }) => record.index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(new Set(devices.map(({ uuid }) => uuid)).size).toBe(8);
  for (const { uuid } of devices) {
    const first = told.find((call) => call.uuid === uuid);
    expect(first).toMatchObject({ state: 'ok', message: '', record: { uuid, model: 'NVIDIA H100 80GB HBM3' } });
  }
  expect(devices[0]).toMatchObject({ source: 'simulated', condition: 'SimulatedReady' });
  expect(source()).toEqual({
    name: 'simulated',
    state: 'running',
    message: '',
    devices: 8,
    counted: 8,
    restarts: 0,
    enumerated: true,
    unidentified: 0,
  });
});

test('readings come at the telemetry interval, and besides them only what changed', async () => {
  const { told, device } = await watchRunning({ telemetryInterval: 500 });
  const { uuid } = device(2);
  const own = () => told.filter((call) => call.uuid === uuid);
  const samples = () =>
    own().filter(({ timeMs }, place, all) => timeMs !== undefined && timeMs !== all[place - 1]?.timeMs);
  await until(() => samples().length >= 4);
  const gaps = samples()
    .slice(1)
    .map(({ at }, before) => at - (samples()[before]?.at ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  expect(mean).toBeGreaterThan(400);
  expect(mean).toBeLessThan(700);
  for (const [place, { timeMs, health }] of own().entries()) {
    const before = own()[place - 1];
    if (before?.timeMs === timeMs && before) expect(health).not.toEqual(before.health);
  }
});

test('a device that is watched closely is read with every look, the others as before', async () => {
  const { supervisor, told, device } = await watchRunning({ telemetryInterval: 60_000 });
  const readings = (uuid: string) => new Set(told.filter((call) => call.uuid === uuid).map(({ timeMs }) => timeMs));
  const [watched, other] = [device(1).uuid, device(2).uuid];
  supervisor.watchClosely(watched, true);
  await until(() => readings(watched).size >= 5);
  expect(readings(other).size).toBeLessThanOrEqual(2);
  supervisor.watchClosely(watched, false);
  await sleep(200);
  const before = readings(watched).size;
  await sleep(500);
  expect(readings(watched).size).toBe(before);
});

test('devices keep their identity when the agent starts again', async () => {
  const first = await watchRunning();
  const second = await watchRunning();
  expect(second.device(3).uuid).toBe(first.device(3).uuid);
});

test('a source without devices is enumerated as well', async () => {
  const { source } = await watchRunning({ profile: 'h200x1', faults: { removed: [0] } });
  expect(source()).toMatchObject({ state: 'running', devices: 0 });
});

test('a profile that does not exist fails with the names of those that do', async () => {
  const { source } = watch({ profile: 'dgx-h1000' });
  await until(() => source().state === 'failed');
  expect(source().message).toContain([...PROFILES.keys()].join(', '));
  expect(source().enumerated).toBe(false);
});

test('sweeps keep to the interval', async () => {
  const { log, setFaults } = await watchRunning({ faults: {} });
  // An error is logged once a sweep.
  setFaults({ '1': { failed: 'a mark in the log' } });
  await sleep(1_500);
  const sweeps = log.filter(({ msg }) => msg === 'a driver call failed').length;
  expect(sweeps).toBeGreaterThan(8);
  expect(sweeps).toBeLessThan(17);
});
