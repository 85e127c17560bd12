// The supervisor over NVML itself: a real library, loaded by the real probe process, that hangs, crashes and goes away.
import { expect, onTestFinished, test } from 'vitest';
import { createFakeDriver, type FakeDriver } from '../../fixtures/nvml/fake-driver.ts';
import { until, type WatchedSource, watch } from './watched-source.ts';

/** Watches a machine with four GPUs behind a fake driver. */
async function watchDriver(options: Parameters<typeof watch>[0] = {}): Promise<WatchedSource & { driver: FakeDriver }> {
  const driver = createFakeDriver({ gpus: 4 });
  Object.assign(process.env, driver.env);
  onTestFinished(() => driver.remove());
  const watched = watch({ source: { name: 'nvml', library: driver.libraryPath, driverRoot: undefined }, ...options });
  await until(() => watched.source().enumerated);
  return { ...watched, driver };
}

test('finds the GPUs and samples them', async () => {
  const { device, states } = await watchDriver();
  expect(states()).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect(device(3)).toMatchObject({ condition: 'NVMLReady', source: 'nvml', record: { vendor: 'nvidia' } });
  await until(() => device(3).readings?.powerMilliwatts === 95_000);
});

test('one GPU falls off the bus and comes back; the others stay ok', async () => {
  const { driver, told, device, states } = await watchDriver();
  driver.update((state) => Object.assign(state.gpus[1] ?? {}, { lost: true }));
  await until(() => device(1).state === 'lost');
  driver.update((state) => Object.assign(state.gpus[1] ?? {}, { lost: false }));
  await until(() => states().every((state) => state === 'ok'));
  expect(told.filter(({ state }) => state !== 'ok').map(({ state }) => state)).toEqual(['lost']);
});

test('a call for one GPU hangs: that one is hung, and comes back', async () => {
  const { driver, told, device, states, source } = await watchDriver({ deadline: 1_000 });
  driver.update((state) => Object.assign(state.hangs, { nvmlDeviceGetTemperature: { 2: true } }));
  await until(() => device(2).state === 'hung');
  await until(() => source().restarts === 1 && source().state === 'running');
  expect(states().filter((state) => state === 'ok')).toHaveLength(3);
  driver.update((state) => Object.assign(state, { hangs: {} }));
  await until(() => states().every((state) => state === 'ok'));
  expect(told.filter(({ state }) => state !== 'ok').map(({ state }) => state)).toEqual(['hung']);
});

test('a call for one GPU kills the probe every time: that GPU is isolated', async () => {
  const { driver, device, states } = await watchDriver({ deadline: 2_000 });
  driver.update((state) => Object.assign(state.crashes, { nvmlDeviceGetTemperature: { 0: true } }));
  await until(() => device(0).state === 'hung');
  expect(device(0).message).toContain('SIGSEGV');
  await until(() => states().filter((state) => state === 'ok').length === 3);
  driver.update((state) => Object.assign(state, { crashes: {} }));
  await until(() => states().every((state) => state === 'ok'));
});

test('the driver is unloaded and loaded again', async () => {
  const { driver, states, source } = await watchDriver();
  driver.unload();
  await until(() => states().every((state) => state === 'driver-gone'));
  expect(source().state).toBe('failed');
  driver.update(() => {});
  await until(() => states().every((state) => state === 'ok'));
});

test('a library that does not exist is looked for again and again', async () => {
  const watched = watch({ source: { name: 'nvml', library: '/nowhere/libnvidia-ml.so.1', driverRoot: undefined } });
  await until(() => watched.source().state === 'failed');
  expect(watched.source().message).toContain('/nowhere/libnvidia-ml.so.1');
  expect(watched.source()).toMatchObject({ enumerated: false, restarts: 0 });
});

test('MIG is switched on: the record follows', async () => {
  const { driver, device } = await watchDriver();
  expect(device(0).record.mig?.enabled).toBe(false);
  driver.update((state) => {
    const mig = state.gpus[0]?.mig;
    if (mig) Object.assign(mig, { current: 1, pending: 1 });
  });
  await until(() => device(0).record.mig?.enabled === true);
});
