// The freshness lock: exclusion, freshness, ticket order, fairness, the bound on waiting writes.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FreshnessLock } from '../../src/cache-server/lock.ts';
import { runs } from '../properties.ts';

/** A lock whose stores end when the test says so, and a script of what happened. */
function createLock(maxWaitingWrites = 1024) {
  const events: string[] = [];
  const pending: (() => void)[] = [];
  const waits: number[] = [];
  let time = 0;
  const lock = new FreshnessLock<string>({
    store: (writes) => {
      events.push(`store ${writes.join('+')}`);
      return new Promise((resolve) => {
        pending.push(() => {
          events.push(`stored ${writes.join('+')}`);
          resolve();
        });
      });
    },
    maxWaitingWrites,
    onWait: (seconds) => waits.push(seconds),
    onError: (error) => events.push(`error ${error}`),
    clock: () => time,
  });
  return {
    lock,
    events,
    waits,
    advance: (ms: number) => {
      time += ms;
    },
    read: (name: string) => lock.read(() => events.push(`read ${name}`)),
    finishStore: async () => {
      pending.shift()?.();
      await new Promise(setImmediate);
    },
  };
}

describe('the freshness lock', () => {
  test('runs a read in its own turn when nothing is pending', () => {
    const { read, events } = createLock();
    read('R');
    expect(events).toEqual(['read R']);
  });

  test('starts to store a write in its own turn when nothing is pending', () => {
    const { lock, events } = createLock();
    lock.write('W');
    expect(events).toEqual(['store W']);
  });

  test('with W1 being stored and W2 accepted, a read sees W2 and does not wait for W3', async () => {
    const { lock, read, events, finishStore } = createLock();
    lock.write('W1');
    lock.write('W2');
    read('R');
    lock.write('W3');
    await finishStore();
    await finishStore();
    expect(events).toEqual(['store W1', 'stored W1', 'store W2', 'stored W2', 'read R', 'store W3']);
  });

  test('stores adjacent waiting writes as one group and runs adjacent reads together', async () => {
    const { lock, read, events, finishStore } = createLock();
    lock.write('W1');
    for (const name of ['W2', 'W3', 'W4']) lock.write(name);
    for (const name of ['R1', 'R2']) read(name);
    await finishStore();
    await finishStore();
    expect(events).toEqual(['store W1', 'stored W1', 'store W2+W3+W4', 'stored W2+W3+W4', 'read R1', 'read R2']);
  });

  test('refuses a write when too many wait, and changes nothing', async () => {
    const { lock, events, finishStore } = createLock(2);
    expect(['W1', 'W2', 'W3', 'W4'].map((name) => lock.write(name))).toEqual([true, true, true, false]);
    await finishStore();
    await finishStore();
    expect(events).toEqual(['store W1', 'stored W1', 'store W2+W3', 'stored W2+W3']);
    expect(lock.write('W5')).toBe(true);
  });

  test('tells how long each had to wait, and nothing of those that did not', async () => {
    const { lock, read, waits, advance, finishStore } = createLock();
    read('R0');
    lock.write('W1');
    read('R1');
    advance(250);
    read('R2');
    advance(250);
    await finishStore();
    expect(waits).toEqual([0.5, 0.25]);
  });

  test('goes on after a read that throws, and tells of it', async () => {
    const { lock, read, events, finishStore } = createLock();
    lock.write('W1');
    lock.read(() => {
      throw 'fault';
    });
    read('R');
    lock.write('W2');
    await finishStore();
    await finishStore();
    read('R2');
    expect(events.slice(2)).toEqual(['error fault', 'read R', 'store W2', 'stored W2', 'read R2']);
  });

  test.each([
    [
      'throws',
      () => {
        throw 'fault';
      },
    ],
    ['rejects', () => Promise.reject('fault')],
  ])('goes on after a store that %s, and tells of it', async (_how, store) => {
    const events: string[] = [];
    const onError = (error: unknown) => events.push(`error ${error}`);
    const lock = new FreshnessLock<string>({
      store,
      maxWaitingWrites: 2,
      onWait: () => undefined,
      onError,
      clock: () => 0,
    });
    lock.write('W1');
    lock.read(() => events.push('read R'));
    await new Promise(setImmediate);
    expect(events).toEqual(['error fault', 'read R']);
  });

  test('stores without waiting when the store is synchronous', () => {
    const stored: string[] = [];
    const lock = new FreshnessLock<string>({
      store: (writes) => {
        stored.push(...writes);
        return undefined;
      },
      maxWaitingWrites: 1,
      onWait: () => undefined,
      onError: (error) => expect.fail(String(error)),
      clock: () => 0,
    });
    for (const name of ['W1', 'W2', 'W3']) expect(lock.write(name)).toBe(true);
    expect(stored).toEqual(['W1', 'W2', 'W3']);
  });
});

describe('any script of reads, writes and ends of stores', () => {
  const step = fc.constantFrom('read', 'write', 'finish');

  test('keeps exclusion, freshness, ticket order and fairness', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (script) => {
        const { lock, events, finishStore } = createLock();
        /** For each read: how many writes had been accepted when it arrived. */
        const acceptedBefore = new Map<string, number>();
        let writes = 0;
        let storing = false;
        for (const [i, action] of script.entries()) {
          if (action === 'read') {
            acceptedBefore.set(`read R${i}`, writes);
            lock.read(() => events.push(`read R${i}`));
          } else if (action === 'write') {
            writes += 1;
            lock.write(String(writes));
          } else {
            await finishStore();
          }
        }
        for (let i = 0; i <= writes; i += 1) await finishStore();

        let stored = 0;
        for (const event of events) {
          const [kind, list = ''] = event.split(' ');
          if (kind === 'store') {
            expect(storing, 'two groups are never stored at the same time').toBe(false);
            storing = true;
          } else if (kind === 'stored') {
            for (const name of list.split('+')) expect(Number(name), 'writes in ticket order').toBe(++stored);
            storing = false;
          } else {
            expect(storing, 'no read while a group is being stored').toBe(false);
            expect(stored, 'a read sees every write accepted before it').toBeGreaterThanOrEqual(
              acceptedBefore.get(event) ?? 0,
            );
            acceptedBefore.delete(event);
          }
        }
        expect(stored, 'every write is stored').toBe(writes);
        expect(acceptedBefore.size, 'every read runs').toBe(0);
      }),
      runs(300, 20_000),
    );
  });

  test('never makes a read wait for a write that was accepted after it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), async (before, after) => {
        const { lock, events, read, finishStore } = createLock();
        for (let i = 0; i < before; i += 1) lock.write(`b${i}`);
        read('R');
        for (let i = 0; i < after; i += 1) lock.write(`a${i}`);
        // The first write is stored alone, those that waited behind it as one group.
        for (let i = 0; i < Math.min(before, 2); i += 1) await finishStore();
        expect(events).toContain('read R');
        expect(events.filter((event) => event.startsWith('stored a'))).toEqual([]);
      }),
      runs(100, 5_000),
    );
  });
});
