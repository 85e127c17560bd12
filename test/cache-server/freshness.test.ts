// Freshness of the cache as a whole: a read that arrives after an accepted write never shows the state before it, also
// while the write is still being stored.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cache, type Change } from '../../src/cache-server/cache.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import type { WireGpu } from '../fixtures/node-client.ts';
import { runs } from '../properties.ts';

const fail = (error: unknown) => expect.fail(String(error));

/** A cache whose store takes as long as the test wants. */
function slowCache() {
  const pending: (() => void)[] = [];
  const store = {
    append: (_changes: readonly Change[]) => new Promise<void>((resolve) => void pending.push(resolve)),
  };
  const cache = new Cache({ store, nameFormat: 'lowercase', now: () => 0, clock: () => 0, onError: fail });
  const finishStore = async () => {
    pending.shift()?.();
    await new Promise(setImmediate);
  };
  const settle = async () => {
    while (pending.length > 0) await finishStore();
  };
  return { cache, finishStore, settle };
}

const create = { kind: 'create', provider: 'p', name: 'gpu', namespace: '', uuid: 'gpu' } as const;

function report(value: number) {
  const conditions = [{ type: 'Ready', status: 'True' as const, reason: String(value), message: '' }];
  const status = { conditions, recommendedAction: '' };
  return { kind: 'status', provider: 'p', name: 'gpu', status, expectedVersion: 0n } as const;
}

function valueIn(cache: Cache): Promise<number> {
  return new Promise((resolve) => {
    cache.read((view) => resolve(Number(view.get('gpu')?.gpu.conditions[0]?.reason ?? 0)));
  });
}

test('a read that arrives while a write is being stored waits for it', async () => {
  const { cache, finishStore, settle } = slowCache();
  const created = cache.write(create);
  await settle();
  await created;
  void cache.write(report(1));
  let seen: number | undefined;
  const read = valueIn(cache).then((value) => {
    seen = value;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(seen).toBeUndefined();
  await finishStore();
  await read;
  expect(seen).toBe(1);
});

test('any mix of writes, reads and slow stores shows each read every write accepted before it, and no later one twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('read', 'write', 'write', 'store'), { minLength: 5, maxLength: 80 }),
      async (script) => {
        const { cache, finishStore, settle } = slowCache();
        const created = cache.write(create);
        await settle();
        await created;
        let accepted = 0;
        const reads: { least: number; seen: Promise<number> }[] = [];
        for (const action of script) {
          if (action === 'write') {
            accepted += 1;
            void cache.write(report(accepted));
          } else if (action === 'read') {
            reads.push({ least: accepted, seen: valueIn(cache) });
          } else {
            await finishStore();
          }
        }
        await settle();
        let last = 0;
        for (const { least, seen } of reads) {
          const value = await seen;
          expect(value).toBe(least);
          expect(value).toBeGreaterThanOrEqual(last);
          last = value;
        }
      },
    ),
    runs(200, 10_000),
  );
});

test('a write that is refused inside a group changes nothing and does not disturb the others', async () => {
  const { cache, settle } = slowCache();
  const outcomes = [
    cache.write(create),
    cache.write({ ...report(1), name: 'other' }),
    cache.write(report(2)),
    cache.write({ ...report(3), expectedVersion: 77n }),
  ].map((write) => write.then(({ change }) => change ?? 'none').catch((error: { refusal: string }) => error.refusal));
  await settle();
  expect(await Promise.all(outcomes)).toEqual(['ADDED', 'not-found', 'MODIFIED', 'conflict']);
  expect(await valueIn(cache)).toBe(2);
});

describe('over the socket', () => {
  let server: RunningCacheServer;
  beforeAll(async () => {
    server = await startCacheServer();
    for (let i = 0; i < 8; i += 1) {
      await server.client.ok('CreateGpu', { gpu: { metadata: { name: `gpu-${i}` }, spec: { uuid: `GPU-${i}` } } });
    }
  });
  afterAll(() => server.remove());

  const status = (value: number) => ({ conditions: [{ type: 'Ready', status: 'True', reason: `${value}` }] });

  test('100 × 100 concurrent reads are all answered with all 8 GPUs', async () => {
    const lists = Array.from({ length: 100 }, () =>
      Promise.all(
        Array.from({ length: 100 }, () => server.client.ok<{ gpu_list: { items: WireGpu[] } }>('ListGpus', {})),
      ),
    );
    for (const { gpu_list } of (await Promise.all(lists)).flat()) expect(gpu_list.items).toHaveLength(8);
  });

  test('5 writers × 20 beside 10 readers × 50: no reader ever sees a value go back or an answered write missing', async () => {
    const answered = [0, 0, 0, 0, 0];
    const writers = answered.map(async (_, writer) => {
      for (let value = 1; value <= 20; value += 1) {
        await server.client.ok('UpdateGpuStatus', { name: `gpu-${writer}`, status: status(value) });
        answered[writer] = value;
      }
    });
    const readers = Array.from({ length: 10 }, async (_, reader) => {
      const name = `gpu-${reader % 5}`;
      let last = 0;
      for (let i = 0; i < 50; i += 1) {
        const least = answered[reader % 5] ?? 0;
        const { gpu } = await server.client.ok('GetGpu', { name });
        const value = Number(gpu.status.conditions[0]?.reason ?? 0);
        expect(value).toBeGreaterThanOrEqual(Math.max(least, last));
        last = value;
      }
    });
    await Promise.all([...writers, ...readers]);
    expect(answered).toEqual([20, 20, 20, 20, 20]);
  });

  test('lists are atomic: versions of the items never exceed the version of the list', async () => {
    const writing = Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        server.client.ok('UpdateGpuStatus', { name: `gpu-${i % 8}`, status: status(100 + i) }),
      ),
    );
    for (let i = 0; i < 100; i += 1) {
      const { gpu_list } = await server.client.ok<{
        gpu_list: { metadata: { resource_version: string }; items: WireGpu[] };
      }>('ListGpus', {});
      const newest = Math.max(...gpu_list.items.map((gpu) => Number(gpu.resource_version)));
      expect(newest).toBeLessThanOrEqual(Number(gpu_list.metadata.resource_version));
    }
    await writing;
  });
});
