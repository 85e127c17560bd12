// The supervisor over NVML itself: a real library, loaded by the real probe process, that hangs, crashes and goes away.
import { expect, onTestFinished, test } from 'vitest';
import { createFakeDriver, type FakeDriver, h100 } from '../../fixtures/nvml/fake-driver.ts';
import { sleep, until, type WatchedSource, watch } from './watched-source.ts';

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

test('what a GPU counts is known by the next look, and told only when it changes', async () => {
  const { driver, told, device } = await watchDriver({ telemetryInterval: 600_000 });
  // Each sweep takes a share of the first samples.
  await until(() => [0, 1, 2, 3].every((place) => device(place).readings?.powerMilliwatts !== undefined));
  expect(device(1).health).toMatchObject({ recoveryAction: 'none', eccErrors: { volatileUncorrected: 0 } });
  const { length } = told;
  await sleep(500);
  expect(told).toHaveLength(length);
  const changed = performance.now();
  driver.update(() => Object.assign(driver.gpu(1).eccErrors ?? {}, { volatileUncorrected: 7 }));
  await until(() => told.length > length);
  expect((told[length]?.at ?? Infinity) - changed).toBeLessThan(1_000);
  expect(told[length]).toMatchObject({
    uuid: device(1).uuid,
    state: 'ok',
    health: { eccErrors: { volatileUncorrected: 7 } },
  });
  expect(device(1).readings).toMatchObject({ eccErrors: { volatileUncorrected: 7 }, powerMilliwatts: 95_000 });
});

test('what a GPU counted last stays known when it is lost', async () => {
  const { driver, device } = await watchDriver();
  driver.update(() => Object.assign(driver.gpu(0), { pcieReplays: 9 }));
  await until(() => device(0).health?.pcieReplays === 9);
  driver.update(() => Object.assign(driver.gpu(0), { lost: true }));
  await until(() => device(0).state === 'lost');
  expect(device(0).health?.pcieReplays).toBe(9);
});

test('what the driver counts is told, also when not all of it can be known', async () => {
  const { driver, source } = await watchDriver();
  expect(source()).toMatchObject({ counted: 4, devices: 4 });
  driver.update((state) => state.gpus.splice(3, 1));
  await until(() => source().counted === 3 && source().devices === 3);
  driver.update((state) => state.gpus.push({ ...h100(5), lost: true }));
  await until(() => source().counted === 4 && source().unidentified === 1);
});

test('an event reaches the agent long before the next look', async () => {
  const { driver, events } = await watchDriver({ interval: 60_000, deadline: 5_000 });
  for (let xid = 1; xid <= 20; xid += 1) {
    const emitted = performance.now();
    driver.emit({ gpu: driver.gpu(xid % 4).uuid, type: 0x8, data: xid, gpuInstance: 2, computeInstance: 0 });
    await until(() => events.length === xid);
    expect(events.at(-1)?.event).toEqual({
      uuid: driver.gpu(xid % 4).uuid,
      kind: 'xid',
      data: xid,
      gpuInstance: 2,
      computeInstance: 0,
    });
    expect((events.at(-1)?.at ?? Infinity) - emitted).toBeLessThan(1_000);
    await sleep(40 * Math.random());
  }
});

test('after an event the GPUs are looked at again, though their turn is not yet', async () => {
  const { driver, device } = await watchDriver({ interval: 60_000 });
  driver.update(() => Object.assign(driver.gpu(2).fields, { '230': 1 }));
  await sleep(700);
  expect(device(2).health?.recoveryAction).toBe('none');
  driver.emit({ gpu: driver.gpu(2).uuid, type: 0x8000, data: 0 });
  await until(() => device(2).health?.recoveryAction === 'reset', 2_000);
});

test('a storm of events keeps neither the agent busy nor the looks from their turn', async () => {
  const { driver, events, device } = await watchDriver({ interval: 200 });
  const gpu = driver.gpu(0).uuid;
  driver.update((state) => {
    state.events = Array.from({ length: 3_000 }, (_, place) => ({ sequence: place + 1, gpu, type: 0x1, data: 0 }));
    driver.gpu(3).lost = true;
  });
  await until(() => device(3).state === 'lost', 2_000);
  await until(() => events.length === 3_000);
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
