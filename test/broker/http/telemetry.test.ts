// Telemetry over HTTP: what is taken and how often, what comes back at which resolution, page by page, and to whom.
import { sql } from 'kysely';
import { expect, inject, onTestFinished, test } from 'vitest';
import { telemetryRoutes } from '../../../src/broker/api/http/routes/telemetry.ts';
import { type OpenDatabase, openDatabase } from '../../../src/broker/storage/database.ts';
import { rollUp } from '../../../src/broker/telemetry/rollups.ts';
import type { TelemetryStore } from '../../../src/broker/telemetry/store.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { addSupply } from '../../fixtures/broker-supply.ts';
import { details, hour, noon, round, runningStore, sample } from '../../fixtures/telemetry.ts';

const minute = 60_000;
/** The clock of the API: ten minutes after noon. */
const now = noon + 10 * minute;
const time = (at: number) => new Date(at).toISOString();

async function telemetryApi() {
  let database: OpenDatabase | undefined;
  let store: TelemetryStore | undefined;
  const api = await startTestApi(
    async (app, services) => {
      const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(services.db);
      const url = inject('postgresUrl').replace('/gpubroker?', `/${rows[0]?.name}?`);
      const opened = openDatabase({ url, maxConnections: 3 });
      onTestFinished(() => opened.close());
      database = opened;
      store = runningStore(opened);
      telemetryRoutes(app, { ...services, telemetry: store, telemetryRetention: 48 * hour });
    },
    { now: () => new Date(now) },
  );
  if (!database || !store) throw new Error('no routes were registered');
  const { accountId } = api.principals.provider;
  const supply = await addSupply(api.db, { accountId, at: new Date(noon - hour) });
  return { ...api, database, store, nodeId: supply.nodeIds[0] ?? '' };
}

const metric = (at: number, values: Record<string, unknown> = {}) => ({
  timestamp: time(at),
  gpu_utilization: 0.5,
  memory_utilization: 0.25,
  temperature: 61,
  power_draw: 300,
  ...values,
});

test('a batch is taken, and comes back as it was', async () => {
  const { as, nodeId } = await telemetryApi();
  const gpus = [
    { gpu: 'GPU-A', utilization: 1, memory_used_bytes: 4096, temperature: 70, power_draw: 350.5, sm_mhz: 1980 },
    { gpu: 'gpu-b', utilization: 0.5 },
  ];
  const metrics = [metric(noon, { status: 'healthy' }), metric(noon + 5_000, { gpus })];
  const sent = await as('provider').post('/telemetry/batch', { node_id: nodeId, metrics });
  expect([sent.status, sent.body]).toEqual([200, { accepted: 2, refused: [] }]);
  const { status, body } = await as('provider').get(
    `/telemetry/${nodeId}?from=${time(noon)}&to=${time(noon + minute)}`,
  );
  expect(status).toBe(200);
  expect(body).toMatchObject({ resolution: 'raw', next_cursor: null });
  expect(body.metrics[0]).toEqual({ ...metric(noon), node_id: nodeId, status: 'healthy', gpus: [] });
  expect(body.metrics[1]).toMatchObject({
    gpu_utilization: 0.75,
    memory_utilization: null,
    temperature: 70,
    power_draw: 350.5,
    gpus: [
      { gpu: 'gpu-a', utilization: 1, memory_used_bytes: 4096, sm_mhz: 1980, memory_mhz: null },
      { gpu: 'gpu-b', utilization: 0.5, temperature: null },
    ],
  });
});

test('what nodes read besides comes back as it was, and of a minute', async () => {
  const { as, database, store, nodeId } = await telemetryApi();
  await database.pool.query("update nodes set spool_id = 'spool' where id = $1", [nodeId]);
  await store.add(nodeId, 'spool', [round(1, { at: noon, samples: [sample('gpu-a', details), sample('gpu-b')] })]);
  await rollUp(database.pool, now, noon - hour);
  const shown = {
    memory_temperature: 71,
    energy: 123_457,
    throttle_reasons: ['power-cap', 'hardware-thermal'],
    pcie_tx: 6_000_000_000,
    pcie_rx: 12_000_000_000,
    nvlink_tx: 40_000_000_000,
    nvlink_rx: 39_000_000_000,
    ecc_corrected: 5,
    ecc_uncorrected: 1,
  };
  const nothing = Object.fromEntries(Object.keys(shown).map((name) => [name, null]));
  for (const resolution of ['raw', '1m']) {
    const { body } = await as('provider').get(
      `/telemetry/${nodeId}?from=${time(noon)}&to=${time(noon + minute)}&resolution=${resolution}`,
    );
    expect(body.metrics[0].gpus).toMatchObject([
      { gpu: 'gpu-a', ...shown },
      { gpu: 'gpu-b', ...nothing },
    ]);
  }
});

test('of events less than five seconds apart one is taken, and the others are refused politely', async () => {
  const { as, nodeId } = await telemetryApi();
  const send = (...metrics: unknown[]) => as('provider').post('/telemetry/batch', { node_id: nodeId, metrics });
  const mixed = await send(
    metric(noon),
    metric(noon + 1_000),
    metric(noon + 4_900),
    metric(noon - 72 * hour),
    metric(now + 6 * minute),
    metric(noon + minute, { node_id: '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c' }),
  );
  expect([mixed.status, mixed.body]).toEqual([
    200,
    {
      accepted: 2,
      refused: [
        { reason: 'too-old', count: 1 },
        { reason: 'in-the-future', count: 1 },
        { reason: 'other-node', count: 1 },
        { reason: 'too-often', count: 1 },
      ],
    },
  ]);
  const again = await send(metric(noon + 2_000), metric(noon - 2_000));
  expect(again.status).toBe(429);
  expect(again.body.code).toBe('GPUB_TELEMETRY_RATE');
  expect(again.headers['retry-after']).toBe('5');
  const both = await Promise.all([send(metric(noon + minute)), send(metric(noon + minute))]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 429]);
});

test('minutes and hours come back when asked for, or when the range is long', async () => {
  const { as, nodeId, store, database, db } = await telemetryApi();
  await db
    .insertInto('node_status_changes')
    .values([
      { node_id: nodeId, at: new Date(noon - 3 * hour), status: 'healthy', reason: '' },
      { node_id: nodeId, at: new Date(noon + 90_000), status: 'degraded', reason: '' },
    ])
    .execute();
  const busy = (at: number, utilizationPercent: number) =>
    round(1, { at, samples: [sample('a', { utilizationPercent }), sample('b')] });
  await store.add(nodeId, undefined, [busy(noon, 0), busy(noon + 5_000, 100), busy(noon + 2 * minute, 80)]);
  await rollUp(database.pool, now, now - 48 * hour);
  const minutes = await as('provider').get(`/telemetry/${nodeId}?resolution=1m`);
  expect(minutes.body.metrics).toMatchObject([
    { timestamp: time(noon), gpu_utilization: 0.5, power_draw: 600, temperature: 60, status: 'healthy' },
    { timestamp: time(noon + 2 * minute), gpu_utilization: 0.65, status: 'degraded' },
  ]);
  expect(minutes.body.metrics[0].gpus[0]).toMatchObject({
    gpu: 'a',
    utilization: 0.5,
    utilization_max: 1,
    power_draw_max: 300,
    samples: 2,
  });
  const day = await as('provider').get(`/telemetry/${nodeId}?from=${time(now - 20 * hour)}`);
  expect(day.body.resolution).toBe('1m');
  const week = await as('provider').get(`/telemetry/${nodeId}?from=${time(now - 168 * hour)}`);
  expect(week.body.resolution).toBe('1h');
  const latest = await as('provider').get(`/nodes/${nodeId}/telemetry`);
  expect(latest.body).toMatchObject({ node_id: nodeId, latest: { gpu_utilization: 0.65, status: 'degraded' } });
  expect(latest.body.history).toHaveLength(2);
});

test('pages come one after the other, without gaps and doubles, also where times are equal', async () => {
  const { as, nodeId, store, database } = await telemetryApi();
  const rounds = Array.from({ length: 25 }, (_, place) =>
    round(place + 1, { at: noon + Math.floor(place / 3) * minute }),
  );
  await store.add(nodeId, undefined, rounds);
  await rollUp(database.pool, now, now - 48 * hour);
  for (const [resolution, expected] of [
    ['raw', rounds.map(({ time }) => time?.toISOString())],
    ['1m', [0, 1, 2, 3, 4, 5, 6, 7, 8].map((place) => time(noon + place * minute))],
  ] as const) {
    const times: string[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`;
      const { body } = await as('provider').get(`/telemetry/${nodeId}?resolution=${resolution}&limit=4${more}`);
      times.push(...body.metrics.map(({ timestamp }: { timestamp: string }) => timestamp));
      cursor = body.next_cursor;
    } while (cursor !== null);
    expect(times).toEqual(expected);
  }
});

test('ranges that make no sense, or are too long for their resolution, are refused', async () => {
  const { as, nodeId } = await telemetryApi();
  const queries = [
    `from=${time(noon)}&to=${time(noon)}`,
    `from=${time(noon - 25 * hour)}&resolution=raw`,
    `from=${time(noon - 401 * 24 * hour)}`,
    'cursor=nonsense',
    'resolution=5m',
    'from=yesterday',
  ];
  for (const query of queries) {
    const { status, body } = await as('provider').get(`/telemetry/${nodeId}?${query}`);
    expect([query, status]).toEqual([query, 400]);
    expect(body.code).toMatch(/^GPUB_/);
  }
});

test('only the owner of a node and admins read and write its telemetry', async () => {
  const { as, nodeId, addPrincipal, principals } = await telemetryApi();
  const stranger = await addPrincipal('provider');
  const { accountId } = principals.provider;
  const sender = await addPrincipal('provider', { accountId, scopes: ['telemetry'] });
  const reader = await addPrincipal('provider', { accountId, scopes: ['read'] });
  const asked = async (who: Parameters<typeof as>[0], at: number) => {
    const caller = as(who);
    const sent = await caller.post('/telemetry/batch', { node_id: nodeId, metrics: [metric(at)] });
    const read = await caller.get(`/telemetry/${nodeId}`);
    const latest = await caller.get(`/nodes/${nodeId}/telemetry`);
    return [sent.status, read.status, latest.status];
  };
  expect(await asked('anonymous', noon)).toEqual([401, 401, 401]);
  expect(await asked('consumer', noon)).toEqual([403, 403, 403]);
  expect(await asked(stranger, noon)).toEqual([404, 404, 404]);
  expect(await asked(sender, noon)).toEqual([200, 403, 403]);
  expect(await asked(reader, noon)).toEqual([403, 200, 200]);
  expect(await asked('admin', noon + minute)).toEqual([200, 200, 200]);
});
