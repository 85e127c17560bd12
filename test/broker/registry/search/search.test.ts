// The search for GPUs against a plain one in memory: any filters, any order, all pages, also while rows change.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GpuFilter, GpuQuery } from '../../../../src/api/gpus.ts';
import { gpuSorts, labels } from '../../../../src/api/gpus.ts';
import type { Principal } from '../../../../src/broker/identity/principal.ts';
import { newId } from '../../../../src/broker/ids.ts';
import { searchGpus } from '../../../../src/broker/registry/search/search.ts';
import type { Database } from '../../../../src/broker/storage/database.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import { addGpu, addNode, type TestNode } from '../../../fixtures/registry.ts';
import { runs, soaking } from '../../../properties.ts';

const GIB = 2 ** 30;

function principal(role: Principal['role'], accountId: string): Principal {
  const id = newId();
  return { kind: 'user', credentialId: id, userId: id, accountId, email: 'a@b.test', role, scopes: ['admin'] };
}

async function addAccount(db: Database): Promise<string> {
  const id = newId();
  await db.insertInto('accounts').values({ id, name: 'account', created_at: new Date() }).execute();
  return id;
}

/** What the naive search knows of a GPU. */
interface Known {
  readonly id: string;
  readonly account: string;
  readonly node: TestNode;
  readonly nodeStatus: 'healthy' | 'degraded' | 'offline';
  readonly region: string;
  readonly model: string | null;
  readonly product: string | null;
  readonly memory: number | null;
  readonly score: number | null;
  readonly capability: string | null;
  readonly health: 'healthy' | 'unhealthy' | 'unknown';
  readonly label: (typeof labels)[number];
  readonly driver: string | null;
  readonly ecc: boolean | null;
  readonly numa: number | null;
  readonly changed: Date;
  readonly generation: number;
  readonly ready: string;
  readonly removed: boolean;
}

const models = ['NVIDIA H100 80GB HBM3', 'NVIDIA A100-SXM4-40GB', '100%_odd\\', 'Ünï'];
const pick = <T>(values: readonly T[], at: number): T => values[at % values.length] as T;

/** A GPU from a stream of numbers. */
function make(
  node: TestNode,
  account: string,
  nodeStatus: Known['nodeStatus'],
  region: string,
  next: () => number,
): Known {
  return {
    id: newId(),
    account,
    node,
    nodeStatus,
    region,
    model: pick([...models, null], next()),
    product: pick(['H100-SXM5-80GB', 'SIM-H100-SXM5-80GB', null], next()),
    memory: pick([40 * GIB, 80 * GIB, 80 * GIB - 1, null], next()),
    score: pick([0, 50, 100, null], next()),
    capability: pick(['8.9', '9.0', '10.0', 'odd', null], next()),
    health: pick(['healthy', 'healthy', 'unhealthy', 'unknown'] as const, next()),
    label: pick(labels, next()),
    driver: pick(['550.1', '580.2', null], next()),
    ecc: pick([true, false, null], next()),
    numa: pick([0, 1, null], next()),
    // Two of a microsecond's difference would be one millisecond in a Date.
    changed: new Date(1_700_000_000_000 + pick([0, 1, 1000], next())),
    generation: pick([4, 5], next()),
    ready: pick(['True', 'False', 'Unknown'], next()),
    removed: next() % 8 === 0,
  };
}

async function store(db: Database, gpu: Known): Promise<void> {
  await addGpu(db, gpu.node, {
    id: gpu.id,
    model: gpu.model,
    product: gpu.product,
    memory_bytes: gpu.memory,
    score: gpu.score,
    compute_capability: gpu.capability,
    health: gpu.health,
    label: gpu.label,
    driver_version: gpu.driver,
    ecc: gpu.ecc,
    numa_node: gpu.numa,
    changed_at: gpu.changed,
    attributes: JSON.stringify({ pci: { max_link_generation: gpu.generation, name: "o'neil" } }),
    removed_at: gpu.removed ? new Date() : null,
  });
  const said = { reason: '', message: '', last_transition_at: null };
  await db
    .insertInto('gpu_conditions')
    .values({ gpu_id: gpu.id, type: 'Ready', status: gpu.ready, ...said })
    .execute();
}

const shownHealth = (gpu: Known) => (gpu.nodeStatus === 'offline' ? 'unknown' : gpu.health);
const rank = (capability: string | null) => {
  const [major, minor] =
    /^(\d+)\.(\d+)$/
      .exec(capability ?? '')
      ?.slice(1)
      .map(Number) ?? [];
  return major === undefined || minor === undefined ? Number.NEGATIVE_INFINITY : major * 1000 + minor;
};

/** The same search without a database. */
function matches(gpu: Known, f: GpuFilter): boolean {
  const holds = <T>(wanted: T | undefined, test: (wanted: T) => boolean) => wanted === undefined || test(wanted);
  return (
    (f.include_removed || !gpu.removed) &&
    holds(f.node_id, (id) => gpu.node.nodeId === id) &&
    holds(f.cluster_id, (id) => gpu.node.clusterId === id) &&
    holds(f.region, (region) => gpu.region === region) &&
    holds(f.model, (model) => gpu.model === model) &&
    holds(f.q, (q) => gpu.model?.toLowerCase().includes(q.toLowerCase()) ?? false) &&
    holds(
      f.product,
      (p) => gpu.product === (p === 'H100' ? 'H100-SXM5-80GB' : p === 'SIM-H100' ? 'SIM-H100-SXM5-80GB' : p),
    ) &&
    holds(f.memory_gb_min, (gb) => gpu.memory !== null && gpu.memory >= gb * GIB) &&
    holds(f.memory_gb_max, (gb) => gpu.memory !== null && gpu.memory <= gb * GIB) &&
    holds(f.score_min, (score) => gpu.score !== null && gpu.score >= score) &&
    holds(f.compute_capability_min, (min) => rank(gpu.capability) >= rank(min)) &&
    holds(f.health, (health) => shownHealth(gpu) === health) &&
    holds(f.node_status, (status) => gpu.nodeStatus === status) &&
    holds(f.label_min, (label) => labels.indexOf(gpu.label) >= labels.indexOf(label)) &&
    holds(f.driver_version, (driver) => gpu.driver === driver) &&
    holds(f.ecc, (ecc) => gpu.ecc === ecc) &&
    holds(f.numa_node, (numa) => gpu.numa === numa) &&
    holds(f.condition, (condition) => condition === `Ready:${gpu.ready}`) &&
    holds(f.attributes, (text) => text.includes(`"max_link_generation":${gpu.generation}`))
  );
}

function sortKey(gpu: Known, sort: GpuQuery['sort']): string | number {
  if (sort === 'model') return gpu.model ?? '';
  if (sort === 'product') return gpu.product ?? '';
  if (sort === 'region') return gpu.region;
  if (sort === 'memory_gb') return gpu.memory ?? 0;
  if (sort === 'score') return gpu.score ?? -1;
  return sort === 'changed_at' ? gpu.changed.getTime() : 0;
}

function naive(gpus: readonly Known[], { sort, order, ...filter }: GpuQuery): string[] {
  const found = gpus.filter((gpu) => matches(gpu, filter));
  const compare = (a: Known, b: Known) => {
    const [x, y] = [sortKey(a, sort), sortKey(b, sort)];
    return x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1;
  };
  found.sort((a, b) => (order === 'desc' ? compare(b, a) : compare(a, b)));
  return found.map(({ id }) => id);
}

/** Walks all pages. */
async function walk(
  db: Database,
  who: Principal,
  query: GpuQuery,
  between?: () => Promise<void>,
  few?: number,
): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await searchGpus(db, who, cursor === null ? query : { ...query, cursor }, few);
    found.push(...page.items.map(({ id }) => id));
    expect(page.items.length).toBeLessThanOrEqual(query.limit ?? 50);
    cursor = page.next_cursor;
    await between?.();
  } while (cursor !== null);
  return found;
}

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 4 });
const filters = fc.record({
  region: some(fc.constantFrom('eu-north-1', 'us-west-2', "x' or 1=1 --")),
  model: some(fc.constantFrom(...models, "'; drop table gpus; --")),
  q: some(fc.constantFrom('h100', '100', '%', '_', '\\', "'", 'ÜN', 'nothing')),
  product: some(fc.constantFrom('H100', 'SIM-H100', 'H100-SXM5-80GB', 'nothing')),
  memory_gb_min: some(fc.constantFrom(0, 40, 79.99, 80, 81)),
  memory_gb_max: some(fc.constantFrom(0, 40, 79.999, 80)),
  score_min: some(fc.constantFrom(0, 50, 51)),
  compute_capability_min: some(fc.constantFrom('8.9', '9.0', '9.9', '10.0')),
  health: some(fc.constantFrom('healthy' as const, 'unhealthy' as const, 'unknown' as const)),
  node_status: some(fc.constantFrom('healthy' as const, 'degraded' as const, 'offline' as const)),
  label_min: some(fc.constantFrom(...labels)),
  driver_version: some(fc.constantFrom('550.1', '580.2', "' or ''='")),
  ecc: some(fc.boolean()),
  numa_node: some(fc.constantFrom(0, 1, 7)),
  condition: some(fc.constantFrom('Ready:True', 'Ready:False', 'Other:True')),
  attributes: some(
    fc.constantFrom('{"pci":{"max_link_generation":5}}', '{"pci":{"max_link_generation":4,"name":"o\'neil"}}'),
  ),
  include_removed: some(fc.boolean()),
});
/** Few filters at once, so that something is found. */
const queries = fc
  .tuple(
    filters,
    fc.subarray(
      [
        'region',
        'model',
        'q',
        'product',
        'memory_gb_min',
        'memory_gb_max',
        'score_min',
        'health',
        'ecc',
        'compute_capability_min',
        'node_status',
        'label_min',
        'driver_version',
        'numa_node',
        'condition',
        'attributes',
        'include_removed',
      ] as const,
      { maxLength: 3 },
    ),
    fc.constantFrom(...gpuSorts),
    fc.constantFrom('asc' as const, 'desc' as const),
    fc.integer({ min: 1, max: 30 }),
  )
  .map(([all, kept, sort, order, limit]): GpuQuery => {
    const given = Object.fromEntries(kept.map((name) => [name, all[name]]).filter(([, value]) => value !== undefined));
    return { ...given, sort, order, limit };
  });

async function supply(db: Database) {
  const [own, other] = [await addAccount(db), await addAccount(db)];
  const gpus: Known[] = [];
  let seed = 1;
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed >> 8;
  };
  for (const account of [own, other]) {
    for (const status of ['healthy', 'degraded', 'offline'] as const) {
      const region = status === 'degraded' ? 'us-west-2' : 'eu-north-1';
      const node = await addNode(db, account, { status }, region);
      for (let count = 0; count < 20; count++) gpus.push(make(node, account, status, region, next));
    }
  }
  for (const gpu of gpus) await store(db, gpu);
  return { own, other, gpus };
}

test.each([
  ['few are sorted', 5000],
  ['many are walked', 0],
])(
  'any search finds what a plain one does, over all pages, and only what is the caller’s: %s',
  async (_how, few) => {
    const { db } = await testDatabase();
    const { own, gpus } = await supply(db);
    const admin = principal('admin', newId());
    const owner = principal('provider', own);
    const mine = gpus.filter(({ account }) => account === own);
    await fc.assert(
      fc.asyncProperty(queries, async (query) => {
        expect(await walk(db, admin, query, undefined, few)).toEqual(naive(gpus, query));
        expect(await walk(db, owner, query, undefined, few)).toEqual(naive(mine, query));
        const counted = await searchGpus(db, owner, { ...query, total: true });
        expect(counted).toMatchObject({ total: naive(mine, query).length, total_capped: false });
      }),
      runs(20, 2000),
    );
  },
  soaking ? 600_000 : 30_000,
);

test('pages give each row once while others come, change and go', async () => {
  const { db } = await testDatabase();
  const { gpus } = await supply(db);
  const admin = principal('admin', newId());
  const [first] = gpus;
  if (!first) throw new Error('no supply');
  const stable = gpus.filter(({ removed, node }) => !removed && node !== first.node);
  for (const sort of gpuSorts) {
    // What changes for ever is for ever the newest.
    let changes = 3;
    const found = await walk(db, admin, { sort, order: 'asc', limit: 25 }, async () => {
      if (changes-- <= 0) return;
      await store(
        db,
        make(first.node, first.account, 'healthy', first.region, () => Math.floor(Math.random() * 1000)),
      );
      await db
        .updateTable('gpus')
        .set({ score: 1, changed_at: new Date() })
        .where('node_id', '=', first.node.nodeId)
        .execute();
      await db.deleteFrom('gpus').where('id', '=', first.id).execute();
    });
    const kept = found.filter((id) => stable.some((gpu) => gpu.id === id));
    expect(kept).toEqual(naive(stable, { sort, order: 'asc' }));
  }
});

test('what is shown is what is stored, with the health unknown while the node is offline', async () => {
  const { db } = await testDatabase();
  const { own, gpus } = await supply(db);
  const { items } = await searchGpus(db, principal('provider', own), { limit: 500, include_removed: true });
  for (const item of items) {
    const gpu = gpus.find(({ id }) => id === item.id);
    expect(item).toMatchObject({
      health: gpu && shownHealth(gpu),
      vram_gb: gpu?.memory == null ? null : Math.round(gpu.memory / GIB),
      conditions: [{ type: 'Ready', status: gpu?.ready }],
    });
    expect(item).not.toHaveProperty('digest');
  }
});

test('a cursor is good for its own search only', async () => {
  const { db } = await testDatabase();
  await supply(db);
  const admin = principal('admin', newId());
  const { next_cursor: cursor } = await searchGpus(db, admin, { limit: 2, sort: 'score' });
  const others: GpuQuery[] = [{ sort: 'score', ecc: true }, { sort: 'score', order: 'desc' }, { sort: 'model' }, {}];
  for (const query of others) {
    await expect(searchGpus(db, admin, { ...query, cursor: cursor ?? '' })).rejects.toMatchObject({
      code: 'GPUB_INVALID',
      details: { field: 'query.cursor' },
    });
  }
});

test.each(['', '[]', '{}', '1', '{"a":{}}', '{', '"x"', '{"a":"\\u0000"}', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`])(
  'attributes %j are refused',
  async (attributes) => {
    const { db } = await testDatabase();
    await expect(searchGpus(db, principal('admin', newId()), { attributes })).rejects.toMatchObject({
      code: 'GPUB_INVALID',
      details: { field: 'query.attributes' },
    });
  },
);

test('metacharacters of SQL are text in every filter', async () => {
  const { db } = await testDatabase();
  await supply(db);
  const admin = principal('admin', newId());
  const texts = [
    'vendor',
    'model',
    'q',
    'product',
    'form_factor',
    'interconnect',
    'architecture',
    'driver_version',
    'cuda_version',
    'vbios_version',
    'serial',
    'uuid',
    'parent',
    'recommended_action',
    'region',
  ] as const;
  for (const name of texts) {
    for (const text of ["' or 1=1 --", '"; drop table gpus; --', '$1', '\\\\x', '%%', '?', '{}', "E'\\x27'"]) {
      expect((await searchGpus(db, admin, { [name]: text })).items).toEqual([]);
    }
  }
  const { items } = await searchGpus(db, admin, { limit: 500 });
  expect(items.length).toBeGreaterThan(0);
});
