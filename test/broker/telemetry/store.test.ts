// What the telemetry store keeps: every round once, as it was read, whatever is sent twice or does not make sense.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { testDatabase } from '../../fixtures/database.ts';
import {
  createNodes,
  details,
  hour,
  noon,
  round,
  runningStore,
  sample,
  sequenceOf,
  timesOf,
} from '../../fixtures/telemetry.ts';

const noDetails = {
  memory_temperature_celsius: null,
  energy_joules: null,
  throttle_bits: null,
  pcie_tx_kilobytes: null,
  pcie_rx_kilobytes: null,
  nvlink_tx_kilobytes: null,
  nvlink_rx_kilobytes: null,
  ecc_corrected: null,
  ecc_uncorrected: null,
};

test('stores a round as it was read, and how far the spool has come', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const mixed = { gpu: 'gpu-ü', memoryUsedBytes: 2n ** 52n + 1n, temperatureCelsius: 0 };
  await store.add(nodeId, 'spool', [round(3, { samples: [sample(), mixed] })]);
  const { rows } = await database.pool.query('select * from telemetry');
  expect(rows).toEqual([
    {
      node_id: nodeId,
      at: new Date(noon + 15_000),
      gpu_names: ['gpu-0', 'gpu-ü'],
      utilization_percent: [50, null],
      memory_utilization_percent: [25, null],
      memory_used_bytes: ['4000000000', String(2 ** 52 + 1)],
      temperature_celsius: [60, 0],
      power_milliwatts: [300_000, null],
      sm_mhz: [1_980, null],
      memory_mhz: [2_619, null],
      ...noDetails,
    },
  ]);
  expect(await sequenceOf(database, nodeId)).toBe(3);
});

test('stores what else a node may say, and null where no GPU of the round has it', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const { eccUncorrected: _, ...others } = details;
  await store.add(nodeId, 'spool', [round(1, { samples: [sample('a', others), sample('b', { energyJoules: 0 })] })]);
  const { rows } = await database.pool.query('select * from telemetry');
  expect(rows[0]).toMatchObject({
    memory_temperature_celsius: [71, null],
    energy_joules: ['123457', '0'],
    throttle_bits: [0x44, null],
    pcie_tx_kilobytes: [6_000_000, null],
    pcie_rx_kilobytes: [12_000_000, null],
    nvlink_tx_kilobytes: [40_000_000, null],
    nvlink_rx_kilobytes: [39_000_000, null],
    ecc_corrected: [5, null],
    ecc_uncorrected: null,
  });
});

test('a round without GPUs is a row too', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  await runningStore(database).add(nodeId, 'spool', [round(1, { samples: [] })]);
  const { rows } = await database.pool.query('select gpu_names, memory_used_bytes from telemetry');
  expect(rows).toEqual([{ gpu_names: [], memory_used_bytes: [] }]);
});

test('values that a column cannot hold are clamped', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const wild = {
    utilizationPercent: 4_294_967_295,
    memoryUsedBytes: 2n ** 64n - 1n,
    temperatureCelsius: 99_999,
    powerMilliwatts: 4_294_967_295,
    eccCorrected: 4_294_967_295,
    throttleBits: 4_294_967_295,
    energyJoules: Number.POSITIVE_INFINITY,
  };
  const senseless = { energyJoules: Number.NaN };
  await runningStore(database).add(nodeId, 'spool', [
    round(1, { samples: [sample('a', wild), sample('b', senseless)] }),
  ]);
  const { rows } = await database.pool.query(
    `select utilization_percent[1] as u, memory_used_bytes[1] as m, temperature_celsius[1] as t, power_milliwatts[1] as p,
       ecc_corrected[1] as c, throttle_bits[1] as b, energy_joules as e from telemetry`,
  );
  const largest = String(Number.MAX_SAFE_INTEGER);
  expect(rows).toMatchObject([
    { u: 100, t: 32_767, p: 2_147_483_647, c: 2_147_483_647, b: 32_767, e: [largest, null] },
  ]);
  expect(String(rows[0]?.m)).toBe(largest);
});

test('what is sent again is stored once, in the same batch as in a later one', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const rounds = [round(1), round(2), round(3)];
  await Promise.all([store.add(nodeId, 'spool', rounds), store.add(nodeId, 'spool', rounds)]);
  await store.add(nodeId, 'spool', [round(2), round(3), round(4)]);
  expect(await timesOf(database, nodeId)).toEqual([1, 2, 3, 4].map((sequence) => noon + sequence * 5_000));
  expect(await store.registry.metrics()).toContain('gpubroker_telemetry_dropped_total{reason="duplicate"} 5');
});

test('a node may start another spool, whose sequences begin anew', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  await store.add(nodeId, 'spool', [round(7)]);
  await database.pool.query("update nodes set spool_id = 'next', telemetry_sequence = 0");
  await store.add(nodeId, 'spool', [round(8)]);
  await store.add(nodeId, 'next', [round(1)]);
  expect(await timesOf(database, nodeId)).toHaveLength(3);
  expect(await sequenceOf(database, nodeId)).toBe(1);
});

test('times are corrected by the skew of a clock that is far off, and by no other', async () => {
  const database = await testDatabase();
  const { nodeIds } = await createNodes(database, 2);
  const [off = '', nearly = ''] = nodeIds;
  await database.pool.query('update nodes set clock_skew_ms = case id when $1 then 60000 else 1500 end', [off]);
  const store = runningStore(database);
  await store.add(off, 'spool', [round(1)]);
  await store.add(nearly, 'spool', [round(1)]);
  expect(await timesOf(database, off)).toEqual([noon + 5_000 - 60_000]);
  expect(await timesOf(database, nearly)).toEqual([noon + 5_000]);
});

test('rounds that are too old, from the future, without time or of no node are dropped and counted', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const old = round(1, { at: noon - 49 * hour });
  const future = round(2, { at: noon + 16 * 60_000 });
  await store.add(nodeId, 'spool', [old, future, { ...round(3), time: undefined }]);
  await store.add(newId(), 'spool', [round(1)]);
  expect(await timesOf(database, nodeId)).toEqual([]);
  expect(await sequenceOf(database, nodeId)).toBe(3);
  const metrics = await store.registry.metrics();
  for (const reason of ['old', 'future', 'no-time', 'unknown-node']) {
    expect(metrics).toContain(`gpubroker_telemetry_dropped_total{reason="${reason}"} 1`);
  }
});

test('a GPU whose name cannot be stored is left out', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  await runningStore(database).add(nodeId, 'spool', [
    round(1, { samples: [sample('a\0b'), sample('fine'), sample('x'.repeat(201))] }),
  ]);
  const { rows } = await database.pool.query('select gpu_names from telemetry');
  expect(rows).toEqual([{ gpu_names: ['fine'] }]);
});

test('makes the partition of any day, also over midnight within one batch', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  await database.pool.query("set timezone = 'America/New_York'");
  const midnight = noon - 12 * hour;
  const times = [midnight - 1, midnight, midnight - 24 * hour];
  const rounds = times.map((at, place) => round(place + 1, { at }));
  await runningStore(database).add(nodeId, 'spool', rounds);
  const { rows } = await database.pool.query('select tableoid::regclass::text as name, at from telemetry order by at');
  expect(rows).toEqual([
    { name: 'telemetry_20260516', at: new Date(midnight - 24 * hour) },
    { name: 'telemetry_20260516', at: new Date(midnight - 1) },
    { name: 'telemetry_20260517', at: new Date(midnight) },
  ]);
});

test('tells how busy the GPUs of a cluster were in the last minute', async () => {
  const database = await testDatabase();
  const { nodeId, clusterId } = await createNodes(database);
  const store = runningStore(database, { now: () => new Date(noon + 60_000) });
  const busy = (utilizationPercent: number | undefined) => [sample('a', { utilizationPercent }), sample('b')];
  await store.add(nodeId, 'spool', [
    round(1, { at: noon - 10_000, samples: busy(100) }),
    round(2, { at: noon + 30_000, samples: busy(undefined) }),
    round(3, { at: noon + 55_000, samples: busy(80) }),
  ]);
  expect(await store.registry.metrics()).toContain(`gpubroker_gpu_utilization{cluster_id="${clusterId}"} 0.6`);
});
