// Who is silent when: the timing of providers against a naive model, with a clock of the test's own.
import fc from 'fast-check';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cache } from '../../../src/cache-server/cache.ts';
import { limits } from '../../../src/cache-server/limits.ts';
import { Providers } from '../../../src/cache-server/providers/providers.ts';
import type { Registration } from '../../../src/cache-server/providers/registration.ts';
import { runs } from '../../properties.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** The clock of the test: time passes for the timers and for who looks at it, or only for the latter. */
class Clock {
  now = 1_000;

  async pass(ms: number): Promise<void> {
    // Step by step, so that a timer that fires sees the time for which it was set.
    for (let left = ms; left > 0; left -= 10) {
      const step = Math.min(left, 10);
      this.now += step;
      await vi.advanceTimersByTimeAsync(step);
    }
  }
}

function startProviders(clock: Clock, restored: readonly Registration[] = []) {
  const onError = (error: unknown) => expect.fail(String(error));
  const claims = new Map<string, string>();
  const clocks = { now: () => clock.now, clock: () => clock.now };
  const cache = new Cache({ store: { append: () => undefined }, claims, nameFormat: 'raw', ...clocks, onError });
  const kept = new Map<string, Registration>();
  const store = {
    keepRegistration: (one: Registration) => void kept.set(one.id, one),
    forgetRegistration: (id: string) => void kept.delete(id),
  };
  const providers = new Providers({ cache, claims, store, restored, ...clocks, log: pino({ enabled: false }) });
  const stateOf = (id: string) => {
    const state = providers.states().get(id);
    return state && (state.isSilent ? 'silent' : 'connected');
  };
  const report = async (id: string) => {
    providers.heard(id);
    const status = {
      conditions: [{ type: id, status: 'True' as const, reason: '', message: '' }],
      recommendedAction: '',
    };
    await cache.write({ kind: 'status', provider: id, name: 'gpu', status, expectedVersion: 0n });
  };
  const statusOf = (type: string) => {
    const conditions = cache.peek().get('gpu')?.gpu.conditions;
    return conditions?.find((one) => one.type === type)?.status;
  };
  return { cache, providers, kept, claims, stateOf, report, statusOf };
}

describe('any sequence of beats and reports', () => {
  const intervals = { a: 100, b: 250, c: 1_000 } as const;
  const ids = Object.keys(intervals) as (keyof typeof intervals)[];
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 90 }).map((tens) => tens * 10),
    id: fc.constantFrom(...ids),
    what: fc.constantFrom('beat', 'report', 'register'),
  });

  test('makes silent whoever misses three beats, when it does, and leaves true only what was said since', async () => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const clock = new Clock();
      const { cache, providers, stateOf, report, statusOf } = startProviders(clock);
      await cache.write({ kind: 'create', provider: 'x', name: 'gpu', namespace: '', uuid: 'gpu' });
      const heardAt = new Map<string, number>();
      const said = new Map<string, string>();
      for (const id of ids) {
        await providers.register({ id, types: [id], intervalMs: intervals[id] });
        heardAt.set(id, clock.now);
      }
      for (const { waitMs, id, what } of steps) {
        await clock.pass(waitMs);
        for (const one of ids) {
          const isSilent = clock.now - (heardAt.get(one) ?? 0) >= 3 * intervals[one];
          expect([one, stateOf(one)]).toEqual([one, isSilent ? 'silent' : 'connected']);
          if (isSilent && said.has(one)) said.set(one, 'Unknown');
          expect([one, statusOf(one)]).toEqual([one, said.get(one)]);
        }
        if (what === 'report') await report(id);
        else if (what === 'beat') providers.heartbeat(id);
        else await providers.register({ id, types: [id], intervalMs: intervals[id] });
        heardAt.set(id, clock.now);
        if (what === 'report') said.set(id, 'True');
      }
      providers.stop();
      expect(vi.getTimerCount()).toBe(0);
    });
    await fc.assert(property, runs(100, 3_000));
  }, 600_000);
});

test('there is one timer, however many providers there are, and none where nobody is expected', async () => {
  const clock = new Clock();
  const { providers } = startProviders(clock);
  expect(vi.getTimerCount()).toBe(0);
  for (let i = 0; i < 50; i += 1) await providers.register({ id: `p${i}`, types: [], intervalMs: 1_000 + i });
  expect(vi.getTimerCount()).toBe(1);
  for (let i = 0; i < 50; i += 1) providers.heartbeat(`p${i}`);
  expect(vi.getTimerCount()).toBe(1);
  await clock.pass(4_000);
  expect(vi.getTimerCount()).toBe(0);
});

describe('a process that stood still', () => {
  test('reads what has come meanwhile before it judges', async () => {
    const clock = new Clock();
    const { providers, stateOf } = startProviders(clock);
    for (const id of ['lives', 'dead']) await providers.register({ id, types: [], intervalMs: 100 });
    clock.now += 5_000;
    await vi.advanceTimersByTimeAsync(300);
    expect([stateOf('lives'), stateOf('dead')]).toEqual(['connected', 'connected']);
    providers.heartbeat('lives');
    await clock.pass(100);
    expect([stateOf('lives'), stateOf('dead')]).toEqual(['connected', 'silent']);
    providers.stop();
  });

  test('gives no more than one chance', async () => {
    const clock = new Clock();
    const { providers, stateOf } = startProviders(clock);
    await providers.register({ id: 'dead', types: [], intervalMs: 100 });
    clock.now += 5_000;
    await vi.advanceTimersByTimeAsync(300);
    clock.now += 5_000;
    await vi.advanceTimersByTimeAsync(100);
    expect(stateOf('dead')).toBe('silent');
  });
});

test('a write that was accepted after the silence began is not undone by it', async () => {
  const clock = new Clock();
  const { cache, providers, report, stateOf, statusOf } = startProviders(clock);
  await cache.write({ kind: 'create', provider: 'x', name: 'gpu', namespace: '', uuid: 'gpu' });
  await providers.register({ id: 'a', types: [], intervalMs: 100 });
  await report('a');
  clock.now += 300;
  // Synchronous: the silence begins, and nothing of it is written yet.
  vi.advanceTimersByTime(300);
  expect([stateOf('a'), statusOf('a')]).toEqual(['silent', 'True']);
  await report('a');
  await vi.advanceTimersByTimeAsync(50);
  expect([stateOf('a'), statusOf('a')]).toEqual(['connected', 'True']);
  providers.stop();
});

describe('places', () => {
  test('are bounded, and the provider that has been silent for longest gives its own to a new one', async () => {
    const clock = new Clock();
    const { providers, kept, stateOf } = startProviders(clock);
    const register = (id: string, intervalMs: number) => providers.register({ id, types: [], intervalMs });
    await register('first', 100);
    await register('second', 200);
    for (let i = 2; i < limits.providers; i += 1) await register(`p${i}`, 60_000);
    await expect(register('more', 100)).rejects.toThrow(`${limits.providers} providers are registered already`);
    await clock.pass(1_000);
    expect([stateOf('first'), stateOf('second')]).toEqual(['silent', 'silent']);
    await register('more', 60_000);
    expect([stateOf('first'), stateOf('second'), stateOf('more')]).toEqual([undefined, 'silent', 'connected']);
    expect([...kept.keys()].sort()).toEqual([...providers.states().keys()].sort());
    providers.stop();
  });

  test('are kept for those who were there before the restart, who have three beats from then on', async () => {
    const clock = new Clock();
    const restored = [{ id: 'a', types: ['T'], intervalMs: 100 }];
    const { stateOf, claims } = startProviders(clock, restored);
    expect([stateOf('a'), claims.get('T')]).toEqual(['connected', 'a']);
    await clock.pass(290);
    expect(stateOf('a')).toBe('connected');
    await clock.pass(10);
    expect([stateOf('a'), claims.get('T')]).toEqual(['silent', undefined]);
  });
});
