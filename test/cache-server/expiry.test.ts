// A write to each of many GPUs finds its way also where too many writes wait, and ends when it is told to.
import { expect, test } from 'vitest';
import { Cache, type Change } from '../../src/cache-server/cache.ts';
import { writeToEach } from '../../src/cache-server/expiry.ts';
import { limits } from '../../src/cache-server/limits.ts';
import type { Write } from '../../src/cache-server/write.ts';

const names = Array.from({ length: 20 }, (_, i) => `gpu-${i}`);
const expire = (name: string): Write => ({ kind: 'expire', provider: 'p', name, cause: 'is gone' });

/** A cache with 20 GPUs of provider `p`, whose store can be held up. */
async function cacheOfTwenty() {
  let held: Promise<void> | undefined;
  const store = { append: (_changes: readonly Change[]) => held };
  const onError = (error: unknown) => expect.fail(String(error));
  const cache = new Cache({ store, nameFormat: 'lowercase', now: () => 0, clock: () => 0, onError });
  const status = {
    conditions: [{ type: 'T', status: 'True' as const, reason: '', message: '' }],
    recommendedAction: '',
  };
  for (const name of names)
    await cache.write({ kind: 'create', provider: 'p', name, namespace: '', uuid: name, status });
  const statuses = () => [...cache.peek().entries()].map(({ gpu }) => gpu.conditions[0]?.status);
  const holdUp = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return () => {
      held = undefined;
      resolve();
    };
  };
  return { cache, statuses, holdUp };
}

test('a write that finds no place waits for one', async () => {
  const { cache, statuses, holdUp } = await cacheOfTwenty();
  const letGo = holdUp();
  const done = writeToEach(
    cache,
    () => true,
    expire,
    () => true,
  );
  // Before its first write is accepted, another is being stored, and as many wait as may.
  const others = Array.from({ length: limits.waitingWrites + 1 }, (_, i) =>
    cache.write({ kind: 'update', provider: 'q', name: 'gpu-0', uuid: `u${i}`, expectedVersion: 0n }),
  );
  await expect(cache.write(expire('gpu-1'))).rejects.toThrow('writes wait already');
  letGo();
  await Promise.all(others);
  await done;
  expect(statuses()).toEqual(names.map(() => 'Unknown'));
});

test('it ends when it is told to: nothing more is written', async () => {
  const { cache, statuses } = await cacheOfTwenty();
  let written = 0;
  const count = (name: string) => {
    written += 1;
    return expire(name);
  };
  await writeToEach(
    cache,
    () => true,
    count,
    () => written < 5,
  );
  expect(statuses().filter((status) => status === 'True').length).toBeGreaterThan(10);
  await writeToEach(
    cache,
    () => true,
    expire,
    () => true,
  );
  expect(statuses()).toEqual(names.map(() => 'Unknown'));
});

test('a GPU that is deleted meanwhile does not keep it from the others', async () => {
  const { cache, statuses } = await cacheOfTwenty();
  const done = writeToEach(
    cache,
    () => true,
    expire,
    () => true,
  );
  await cache.write({ kind: 'delete', provider: 'q', name: 'gpu-3' });
  await done;
  expect(statuses()).toEqual(names.slice(1).map(() => 'Unknown'));
});
