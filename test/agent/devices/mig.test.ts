// MIG instances are devices of their own that come and go below their GPU, and share its fate.
import { expect, onTestFinished, test } from 'vitest';
import { createFakeDriver, divide, type FakeDriver, type FakeDriverOptions } from '../../fixtures/nvml/fake-driver.ts';
import { probesOf, sleep, until, type WatchedSource, watch } from './watched-source.ts';

const PER_GPU = 7;
const MIG_CHANGED = 0x100;

/** Watches a machine whose GPUs are all divided. */
async function watchDivided({
  gpus = 2,
  ...options
}: FakeDriverOptions & Parameters<typeof watch>[0] = {}): Promise<
  WatchedSource & { driver: FakeDriver; instances(place: number): string[] }
> {
  const driver = createFakeDriver({ gpus });
  Object.assign(process.env, driver.env);
  onTestFinished(() => driver.remove());
  driver.update((state) => {
    for (const gpu of state.gpus) divide(gpu, PER_GPU);
  });
  const watched = watch({ source: { name: 'nvml', library: driver.libraryPath, driverRoot: undefined }, ...options });
  await until(() => watched.source().devices === gpus * (PER_GPU + 1), 30_000);
  const instances = (place: number) =>
    (driver.gpu(place).mig?.instances ?? []).flatMap((instance) => instance?.uuid ?? []);
  return { ...watched, driver, instances };
}

/** The state of each device, by its uuid. */
function statesOf({ supervisor }: WatchedSource): Map<string, string> {
  return new Map(supervisor.views().devices.map(({ uuid, state }) => [uuid, state]));
}

test('instances are told of after their GPU, with what they have of their own', async () => {
  const { supervisor, told, driver, instances, source } = await watchDivided();
  expect(source()).toMatchObject({ devices: 16, counted: 2, enumerated: true, unidentified: 0 });
  const order = told.map(({ uuid }) => uuid);
  for (const place of [0, 1]) {
    const parent = driver.gpu(place).uuid;
    for (const instance of instances(place)) expect(order.indexOf(instance)).toBeGreaterThan(order.indexOf(parent));
  }
  await until(() => supervisor.views().devices.every(({ readings }) => readings !== undefined));
  const [uuid = ''] = instances(1);
  expect(supervisor.views().devices.find((device) => device.uuid === uuid)).toMatchObject({
    state: 'ok',
    condition: 'NVMLReady',
    record: { parent: driver.gpu(1).uuid, migInstance: { gpuInstance: 7 }, memory: { totalBytes: 10_468_982_784 } },
    readings: { memoryUsedBytes: 12_582_912, processes: [] },
    health: { eccErrors: { volatileUncorrected: 0 } },
  });
});

test('what befalls one GPU befalls its instances, and no other', async () => {
  const watched = await watchDivided();
  const { driver, instances } = watched;
  driver.update(() => Object.assign(driver.gpu(0), { lost: true }));
  await until(() => statesOf(watched).get(driver.gpu(0).uuid) === 'lost');
  for (const instance of instances(0)) expect(statesOf(watched).get(instance)).toBe('lost');
  for (const instance of instances(1)) expect(statesOf(watched).get(instance)).toBe('ok');
  driver.update(() => Object.assign(driver.gpu(0), { lost: false }));
  await until(() => [...statesOf(watched).values()].every((state) => state === 'ok'));
  expect(watched.told.some(({ state }) => state === 'removed' || state === 'missing')).toBe(false);
});

test.each(['nvmlDeviceGetAttributes_v2', 'nvmlDeviceGetComputeRunningProcesses_v3'] as const)(
  'a hang in %s of an instance makes GPU and instances suspects together; all come back',
  async (name) => {
    const watched = await watchDivided({ deadline: 2_000 });
    const { driver, instances } = watched;
    driver.update((state) => Object.assign(state.hangs, { [name]: { 1: true } }));
    const family = [driver.gpu(1).uuid, ...instances(1)];
    await until(() => family.every((uuid) => statesOf(watched).get(uuid) === 'hung'), 15_000);
    for (const uuid of [driver.gpu(0).uuid, ...instances(0)]) expect(statesOf(watched).get(uuid)).toBe('ok');
    driver.update((state) => Object.assign(state, { hangs: {} }));
    await until(() => [...statesOf(watched).values()].every((state) => state === 'ok'), 15_000);
  },
  40_000,
);

test('an instance that is no longer listed is missing, and gone with the third look', async () => {
  const { driver, told, instances, source } = await watchDivided();
  const gone = instances(0).slice(1);
  driver.update(() => driver.gpu(0).mig?.instances.splice(1));
  await until(() => source().devices === 10);
  for (const uuid of gone) {
    const states = told.filter((change) => change.uuid === uuid).map(({ state }) => state);
    expect(states.slice(states.lastIndexOf('ok') + 1)).toEqual(['missing', 'removed']);
  }
});

test('where the driver says that instances changed, those that are gone are gone at once', async () => {
  const { driver, told, instances, source } = await watchDivided({ interval: 60_000 });
  const before = instances(0);
  driver.update(() => divide(driver.gpu(0), 3, 1));
  driver.emit({ gpu: driver.gpu(0).uuid, type: MIG_CHANGED, data: 0 });
  await until(() => source().devices === 8 + 4, 3_000);
  for (const uuid of before) expect(told.findLast((change) => change.uuid === uuid)?.state).toBe('removed');
  for (const uuid of instances(0)) expect(told.findLast((change) => change.uuid === uuid)?.state).toBe('ok');
  expect(told.filter(({ state }) => state === 'missing')).toEqual([]);
});

test('a list that cannot be read deletes nothing, not even where instances changed', async () => {
  const watched = await watchDivided();
  const { driver, told, instances } = watched;
  driver.update((state) => {
    state.errors = { nvmlDeviceGetMigDeviceHandleByIndex: { 0: 999 } };
  });
  driver.emit({ gpu: driver.gpu(0).uuid, type: MIG_CHANGED, data: 0 });
  await until(() => instances(0).every((uuid) => statesOf(watched).get(uuid) === 'failed'));
  expect(statesOf(watched).get(driver.gpu(0).uuid)).toBe('ok');
  await sleep(600);
  driver.update((state) => {
    state.errors = {};
  });
  await until(() => instances(0).every((uuid) => statesOf(watched).get(uuid) === 'ok'));
  expect(told.some(({ state }) => state === 'removed' || state === 'missing')).toBe(false);
});

test('MIG is switched off: the instances go, the GPU stays', async () => {
  const { driver, told, source } = await watchDivided();
  driver.update(() => Object.assign(driver.gpu(1).mig ?? {}, { current: 0, pending: 0, instances: [] }));
  await until(() => source().devices === 9);
  expect(told.findLast(({ uuid }) => uuid === driver.gpu(1).uuid)).toMatchObject({
    state: 'ok',
    record: { mig: { enabled: false, instanceUuids: [] } },
  });
});

test('a GPU that is removed takes its instances with it', async () => {
  const { driver, told, source, instances } = await watchDivided();
  const gone = [driver.gpu(1).uuid, ...instances(1)];
  driver.update((state) => state.gpus.splice(1, 1));
  await until(() => source().devices === 8);
  for (const uuid of gone) expect(told.findLast((change) => change.uuid === uuid)?.state).toBe('removed');
});

test('GPUs that change places keep their instances', async () => {
  const watched = await watchDivided();
  const { driver, told, device } = watched;
  const { uuid } = driver.gpu(0);
  driver.update((state) => state.gpus.reverse());
  await until(() => driver.gpu(1).uuid === uuid && device(1).record.index === 1);
  await until(() =>
    watched.supervisor.views().devices.every(({ record }) => {
      const place = driver.state.gpus.findIndex((gpu) => gpu.uuid === (record.parent ?? record.uuid));
      return place === record.index;
    }),
  );
  expect(told.every(({ state }) => state === 'ok')).toBe(true);
});

test('72 devices are looked at every second, and an event among them is heard of at once', async () => {
  const watched = await watchDivided({ gpus: 9, interval: 1_000, telemetryInterval: 5_000, deadline: 5_000 });
  const { driver, instances, supervisor, events } = watched;
  expect(supervisor.views().devices).toHaveLength(72);
  await until(() => supervisor.views().devices.every(({ readings }) => readings !== undefined), 15_000);
  expect(probesOf()).toHaveLength(1);

  const [, uuid = ''] = instances(8);
  const changed = performance.now();
  driver.update(() => Object.assign(driver.gpu(8).mig?.instances[1]?.eccErrors ?? {}, { volatileUncorrected: 1 }));
  await until(() =>
    watched.told.some((change) => change.uuid === uuid && change.health?.eccErrors?.volatileUncorrected === 1),
  );
  expect(performance.now() - changed).toBeLessThan(2_500);

  const emitted = performance.now();
  driver.emit({ gpu: driver.gpu(8).uuid, type: 0x8, data: 94, gpuInstance: 8, computeInstance: 0 });
  await until(() => events.length === 1);
  expect((events[0]?.at ?? Infinity) - emitted).toBeLessThan(1_000);
  expect([...statesOf(watched).values()].every((state) => state === 'ok')).toBe(true);
}, 60_000);
