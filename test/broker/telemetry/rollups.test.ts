// Rollups are what anybody would compute from the readings, also when rows come late, and cost nothing to run again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OpenDatabase } from '../../../src/broker/storage/database.ts';
import { rollUp } from '../../../src/broker/telemetry/rollups.ts';
import type { Sample } from '../../../src/wire/gpubroker/node/v1/node_link.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { createNodes, details, hour, noon, round, runningStore, sample } from '../../fixtures/telemetry.ts';
import { runs } from '../../properties.ts';

const minute = 60_000;
const oldest = noon - 48 * hour;

/** One value of one GPU at a time. */
interface Reading {
  readonly at: number;
  readonly gpu: string;
  readonly value: number | undefined;
}

/** What a rollup of utilisation and power must say, by period, GPU and start. */
function recomputed(readings: readonly Reading[], through: number): Map<string, number[]> {
  const groups = new Map<string, (number | undefined)[]>();
  for (const { at, gpu, value } of readings) {
    for (const [period, length] of [
      ['1m', minute],
      ['1h', hour],
    ] as const) {
      const start = Math.floor(at / length) * length;
      if (start + length > Math.floor(through / length) * length) continue;
      const key = `${period} ${gpu} ${new Date(start).toISOString()}`;
      groups.set(key, [...(groups.get(key) ?? []), value]);
    }
  }
  return new Map(
    [...groups].map(([key, values]) => {
      const known = values.filter((value) => value !== undefined);
      const mean = known.reduce((total, value) => total + value, 0) / known.length;
      return [key, [values.length, known.length, Math.round(mean * 100), Math.max(...known)]];
    }),
  );
}

async function stored({ pool }: OpenDatabase): Promise<Map<string, number[]>> {
  const { rows } = await pool.query(
    `select *, utilization_count = power_count as same_count, utilization_max * 1000 = power_max_milliwatts as same_max
     from telemetry_rollups`,
  );
  return new Map(
    rows.map((row) => {
      expect([row.same_count, row.same_max ?? true]).toEqual([true, true]);
      const mean = row.utilization_avg === null ? Number.NaN : Math.round(row.utilization_avg * 100);
      const max = row.utilization_max ?? Number.NEGATIVE_INFINITY;
      return [`${row.period} ${row.gpu_name} ${row.at.toISOString()}`, [row.samples, row.utilization_count, mean, max]];
    }),
  );
}

const readings = fc.array(
  fc.record({
    // Within three hours around midnight, so that days and hours are crossed.
    at: fc.integer({ min: -90 * 60, max: 90 * 60 }).map((seconds) => noon - 12 * hour + seconds * 1_000),
    gpu: fc.constantFrom('a', 'b'),
    value: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 40 },
);

test('equal a recomputation from the readings, in whatever order these come', { timeout: 120_000 }, async () => {
  const database = await testDatabase();
  const { nodeIds } = await createNodes(database, 400);
  const store = runningStore(database);
  await fc.assert(
    fc.asyncProperty(fc.array(readings, { minLength: 1, maxLength: 3 }), async (deliveries) => {
      await database.pool.query('truncate telemetry, telemetry_rollups, telemetry_progress, telemetry_late');
      const nodeId = nodeIds.pop() ?? '';
      let now = noon - 11 * hour + 10 * minute;
      for (const [place, delivery] of deliveries.entries()) {
        const rounds = delivery.map(({ at, gpu, value }, index) =>
          round(place * 100 + index + 1, { at, samples: [reading(gpu, value)] }),
        );
        await store.add(nodeId, 'spool', rounds);
        // Between deliveries the rollup moves on, so that what comes then is late.
        now += 17 * minute;
        await rollUp(database.pool, now, oldest);
      }
      const expected = recomputed(deliveries.flat(), now);
      expect(await stored(database)).toEqual(expected);
      expect((await rollUp(database.pool, now, oldest)).late).toBe(0);
      expect(await stored(database)).toEqual(expected);
    }),
    runs(15, 300),
  );
});

function reading(gpu: string, value: number | undefined): Sample {
  return sample(gpu, { utilizationPercent: value, powerMilliwatts: value === undefined ? undefined : value * 1_000 });
}

test('of counters keep the highest, of traffic the mean, of reasons all', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const at = noon - hour;
  const samples: Partial<Sample>[] = [
    details,
    { ...details, energyJoules: 200_000, throttleBits: 0x8, pcieTxKilobytes: 8_000_000, memoryTemperatureCelsius: 60 },
    // In a minute of its own, and of traffic one way alone, which says nothing.
    { nvlinkTxKilobytes: 90_000_000, eccUncorrected: 3, throttleBits: undefined },
  ];
  const rounds = samples.map((values, place) =>
    round(place + 1, { at: at + (place < 2 ? place * 5_000 : 90_000), samples: [sample('a', values)] }),
  );
  await store.add(nodeId, 'spool', rounds);
  await rollUp(database.pool, noon + minute, oldest);
  const { rows } = await database.pool.query('select * from telemetry_rollups order by period desc, at');
  const first = {
    memory_temperature_max: 71,
    energy_joules_max: 200_000,
    throttle_bits: 0x4c,
    pcie_count: 2,
    pcie_tx_kilobytes_avg: 7_000_000,
    pcie_rx_kilobytes_avg: 12_000_000,
    nvlink_count: 2,
    nvlink_tx_kilobytes_avg: 40_000_000,
    nvlink_rx_kilobytes_avg: 39_000_000,
    ecc_corrected_max: 5,
    ecc_uncorrected_max: 1,
  };
  const second = { throttle_bits: null, pcie_count: 0, nvlink_count: 0, nvlink_tx_kilobytes_avg: null };
  expect(rows).toMatchObject([
    { period: '1m', ...first },
    { period: '1m', ...second, ecc_uncorrected_max: 3 },
    { period: '1h', ...first, ecc_uncorrected_max: 3 },
  ]);
});

test('see every row that is stored while they run', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  const store = runningStore(database);
  const rounds = Array.from({ length: 300 }, (_, place) => round(place + 1, { at: noon + place * 1_000 }));
  let adding = true;
  const rolling = (async () => {
    // The clock of the rollup runs ahead of what is stored: nearly every row is late.
    for (let now = noon; adding || now === noon; now += minute / 2) await rollUp(database.pool, now, oldest);
    return rollUp(database.pool, noon + hour, oldest);
  })();
  for (let place = 0; place < rounds.length; place += 10) {
    await store.add(nodeId, 'spool', rounds.slice(place, place + 10));
  }
  adding = false;
  await rolling;
  const { rows } = await database.pool.query(
    'select period, sum(samples)::int as samples from telemetry_rollups group by period order by period',
  );
  expect(rows).toEqual([
    { period: '1h', samples: 300 },
    { period: '1m', samples: 300 },
  ]);
});

test('minutes are minutes of UTC in every time zone of a session', async () => {
  const database = await testDatabase();
  const { nodeId } = await createNodes(database);
  await runningStore(database).add(nodeId, 'spool', [round(1)]);
  const { rows: names } = await database.pool.query('select current_database() as name');
  // rollUp closes its connection, and the next has the setting.
  await database.pool.query(`alter database ${names[0].name} set timezone = 'Asia/Kathmandu'`);
  await rollUp(database.pool, noon, oldest);
  await rollUp(database.pool, noon + 2 * hour, oldest);
  const { rows } = await database.pool.query('select period, at from telemetry_rollups order by period');
  expect(rows).toEqual([
    { period: '1h', at: new Date(noon) },
    { period: '1m', at: new Date(noon) },
  ]);
});
