// P: how long a page of the inventory search takes over many GPUs, for every filter and every order.
//
// node bench/broker/search.ts [--rows 1000000] [--quick]
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import type { GpuQuery } from '../../src/api/gpus.ts';
import { gpuSorts } from '../../src/api/gpus.ts';
import type { Principal } from '../../src/broker/identity/principal.ts';
import { searchGpus } from '../../src/broker/registry/search/search.ts';
import { type Database, openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { startTestPostgres } from '../../test/fixtures/postgres.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000000' }, quick: { type: 'boolean' } } });
const rows = Number(values.rows);
if (!Number.isInteger(rows) || rows < 1000) throw new Error('--rows: give a whole number of at least 1000');
const repeats = values.quick ? 5 : 30;
/** Milliseconds: the budget for the 95th percentile of a default page. */
const budget = 50;
const gpusPerNode = 8;
const nodesPerProvider = 100;

/** The same shape for every id, so that a query can name one that exists. */
const id = (kind: number, expression: string) =>
  sql.raw(`('${String(kind).padStart(8, '0')}-0000-7000-8000-' || lpad((${expression})::text, 12, '0'))::uuid`);

async function load(db: Database): Promise<void> {
  const nodes = Math.ceil(rows / gpusPerNode);
  const providers = Math.ceil(nodes / nodesPerProvider);
  const at = sql.raw(`timestamptz '2026-01-01Z'`);
  await sql`insert into accounts select ${id(1, 'i')}, 'account', ${at} from generate_series(0, ${providers - 1}) i`.execute(
    db,
  );
  await sql`insert into providers select ${id(2, 'i')}, ${id(1, 'i')}, 'provider ' || i, 'c', 'verified', null, '{}',
    ${at}, ${at} from generate_series(0, ${providers - 1}) i`.execute(db);
  await sql`insert into clusters select ${id(3, 'i')}, ${id(2, 'i')}, 'one', 'region-' || i % 12, '{}', ${at}
    from generate_series(0, ${providers - 1}) i`.execute(db);
  // One in 200 nodes is offline, one in 50 degraded.
  await sql`insert into nodes (id, cluster_id, hostname, declared_gpus, created_at, status, status_since, joined_at)
    select ${id(4, 'i')}, ${id(3, `i / ${nodesPerProvider}`)}, 'node-' || i, '[]', ${at},
      case when i % 200 = 0 then 'offline' when i % 50 = 1 then 'degraded' else 'healthy' end, ${at}, ${at}
    from generate_series(0, ${nodes - 1}) i`.execute(db);
  await sql`
    with kinds (kind, vendor, model, architecture, product, form, link, gib, capability) as (values
      (0, 'nvidia', 'NVIDIA H100 80GB HBM3', 'hopper', 'H100-SXM5-80GB', 'SXM5', 'NVLink4', 80, '9.0'),
      (1, 'nvidia', 'NVIDIA A100-SXM4-80GB', 'ampere', 'A100-SXM4-80GB', 'SXM4', 'NVLink3', 80, '8.0'),
      (2, 'nvidia', 'NVIDIA A100-SXM4-40GB', 'ampere', 'A100-SXM4-40GB', 'SXM4', 'NVLink3', 40, '8.0'),
      (3, 'nvidia', 'NVIDIA L40S', 'ada', 'L40S-PCIE-48GB', 'PCIE', 'PCIe4', 48, '8.9'),
      (4, 'nvidia', 'NVIDIA B200', 'blackwell', 'B200-SXM6-180GB', 'SXM6', 'NVLink5', 180, '10.0'),
      (5, 'amd', 'AMD Instinct MI300X', 'cdna3', 'MI300X-OAM-192GB', 'OAM', 'XGMI3', 192, null),
      (6, 'nvidia', 'NVIDIA Odd Card', 'ada', null, null, null, 20, '8.9'))
    insert into gpus (id, node_id, cluster_id, provider_id, region, name, uuid, source, vendor, model, architecture,
      serial, product, form_factor, interconnect, memory_bytes, compute_capability, driver_version, cuda_version,
      vbios_version, pci_bus_id, numa_node, ecc, mig, health, recommended_action, status, label, score, attributes,
      digest, first_seen_at, changed_at, removed_at)
    select ${id(5, 'i')}, ${id(4, `i / ${gpusPerNode}`)}, ${id(3, `i / ${gpusPerNode * nodesPerProvider}`)},
      ${id(2, `i / ${gpusPerNode * nodesPerProvider}`)}, 'region-' || (i / ${gpusPerNode * nodesPerProvider}) % 12,
      'gpu-' || i, 'GPU-' || i, 'nvml', vendor, model, architecture, (i::bigint * 7919)::text, product, form, link,
      gib::bigint << 30, capability, (array['550.163.01', '570.86.15', '580.159.03'])[1 + floor(random() * 3)::int],
      (array['12.4', '12.8', '13.0'])[1 + floor(random() * 3)::int], '96.00.' || (i / 8) % 40, i % 8 || ':00.0', i % 8 / 4,
      random() > 0.01, random() < 0.002, case when random() < 0.003 then 'unhealthy' when random() < 0.0015 then 'unknown' else 'healthy' end,
      case when random() < 0.0016 then 'ResetGPU' else '' end,
      case when random() < 0.09 then 'maintenance' else 'available' end,
      (array['self-reported', 'measured', 'challenge-verified', 'simulated'])[1 + i / 8 % 4],
      case when random() < 0.8 then (random() * 100)::int end,
      jsonb_build_object('pci', jsonb_build_object('max_link_generation', 4 + i / 8 % 2, 'device_id', i % 5000)),
      '\\x00', ${at}, ${at} + random() * interval '30 days', case when i % 1000 = 999 then ${at} end
    from generate_series(0, ${rows - 1}) i join kinds on kind = (i / 8) * 2654435761 % 7
  `.execute(db);
  await sql`insert into gpu_conditions select id, type,
      case when type = 'Ready' and health <> 'healthy' then 'False' when type = 'Degraded' then 'False' else 'True' end,
      '', '', null
    from gpus, (values ('Ready'), ('Degraded')) kind (type)`.execute(db);
  // Three in ten are held by trades of two GPUs.
  await sql`insert into holds (trade_id, gpu_id, position)
    select ${id(6, 'i / 20')}, ${id(5, 'i')}, i % 2 from generate_series(0, ${rows - 1}) i where i % 10 in (2, 3, 7)`.execute(
    db,
  );
  await sql`vacuum analyze`.execute(db);
}

function principal(role: Principal['role'], accountId: string): Principal {
  return { kind: 'user', credentialId: accountId, userId: accountId, accountId, email: 'a@b', role, scopes: ['admin'] };
}

const uuid = (kind: number, n: number) =>
  `${String(kind).padStart(8, '0')}-0000-7000-8000-${String(n).padStart(12, '0')}`;

const filters: Record<string, Partial<GpuQuery>> = {
  nothing: {},
  provider: { provider_id: uuid(2, 1) },
  cluster: { cluster_id: uuid(3, 1) },
  node: { node_id: uuid(4, 77) },
  region: { region: 'region-3' },
  vendor: { vendor: 'amd' },
  model: { model: 'NVIDIA H100 80GB HBM3' },
  'part of a model': { q: 'h100' },
  'no such model': { q: 'nothing' },
  product: { product: 'H100' },
  form_factor: { form_factor: 'OAM' },
  interconnect: { interconnect: 'NVLink5' },
  architecture: { architecture: 'ada' },
  memory: { memory_gb_min: 100, memory_gb_max: 185 },
  capability: { compute_capability_min: '10.0' },
  driver: { driver_version: '580.159.03' },
  'no such driver': { driver_version: '1.0' },
  cuda: { cuda_version: '13.0' },
  vbios: { vbios_version: '96.00.7' },
  healthy: { health: 'healthy' },
  unhealthy: { health: 'unhealthy' },
  unknown: { health: 'unknown' },
  allocated: { status: 'allocated' },
  available: { status: 'available' },
  'degraded nodes': { node_status: 'degraded' },
  'offline nodes': { node_status: 'offline' },
  label: { label_min: 'challenge-verified' },
  score: { score_min: 95 },
  serial: { serial: '7919' },
  uuid: { uuid: 'GPU-500' },
  'no ecc': { ecc: false },
  mig: { mig: true },
  numa: { numa_node: 1 },
  action: { recommended_action: 'ResetGPU' },
  'not ready': { condition: 'Ready:False' },
  ready: { condition: 'Ready:True' },
  'no such condition': { condition: 'Degraded:True' },
  attributes: { attributes: '{"pci":{"device_id":77}}' },
  'common attributes': { attributes: '{"pci":{"max_link_generation":5}}' },
  contradiction: { vendor: 'amd', model: 'NVIDIA L40S' },
  'many at once': { product: 'H100', region: 'region-3', health: 'healthy', status: 'available', score_min: 50 },
};

function percentile(times: number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function measure(db: Database): Promise<number> {
  const callers = { admin: principal('admin', uuid(1, 0)), provider: principal('provider', uuid(1, 2)) };
  let missed = 0;
  let worst = 0;
  for (const [role, who] of Object.entries(callers)) {
    for (const [name, filter] of Object.entries(filters)) {
      for (const sort of gpuSorts) {
        for (const order of sort === 'score' || sort === 'changed_at'
          ? (['asc', 'desc'] as const)
          : (['asc'] as const)) {
          const times: number[] = [];
          for (let repeat = 0; repeat <= repeats; repeat++) {
            const from = performance.now();
            await searchGpus(db, who, { ...filter, sort, order });
            if (repeat > 0) times.push(performance.now() - from);
          }
          const [p50, p95] = [percentile(times, 0.5), percentile(times, 0.95)];
          worst = Math.max(worst, p95);
          if (p95 >= budget) missed++;
          if (!values.quick || p95 >= budget / 2) {
            const mark = p95 >= budget ? '  over the budget' : '';
            console.log(
              `${role} | ${name} | ${sort} ${order} | p50 ${p50.toFixed(1)} ms | p95 ${p95.toFixed(1)} ms${mark}`,
            );
          }
        }
      }
    }
  }
  console.log(`worst p95: ${worst.toFixed(1)} ms over ${rows} rows; ${missed} kinds over ${budget} ms`);
  return missed;
}

const server = await startTestPostgres({ shared_buffers: "'512MB'", max_wal_size: "'4GB'", random_page_cost: '1.1' });
try {
  const { db, close } = openDatabase({ url: server.url, maxConnections: 2, statementTimeout: 1_800_000 });
  await migrate(db);
  console.error(`loading ${rows} GPUs`);
  await load(db);
  console.error('measuring');
  await measure(db);
  await close();
} finally {
  await server.remove();
}
