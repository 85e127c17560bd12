// When GPUs are measured without being asked.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { firstWait, Schedule } from '../../../src/agent/measurements/schedule.ts';
import { createLog } from '../../../src/daemon/logger.ts';

const hour = 3_600_000;
const { log } = createLog({ daemon: 'test', node: 'node', level: 'fatal', format: 'json' });

/** When each GPU was measured last. */
let last: Map<string, number>;
/** What was measured, and when. */
let measured: { at: number; gpus: readonly string[] }[];
let busy: boolean;
let schedule: Schedule;
beforeEach(() => {
  vi.useFakeTimers();
  [last, measured, busy] = [new Map(), [], false];
  schedule = new Schedule({
    interval: 24 * hour,
    ages: async () => new Map([...last].map(([gpu, at]) => [gpu, Date.now() - at])),
    measure: async (gpus) => {
      measured.push({ at: Date.now(), gpus });
      if (busy) return 0;
      for (const gpu of gpus) last.set(gpu, Date.now());
      return gpus.length;
    },
    log,
    random: () => 0.5,
  });
});
afterEach(() => {
  schedule.stop();
  vi.useRealTimers();
});

test('the first look is some minutes after the start, and not at the same moment everywhere', () => {
  expect(firstWait(24 * hour, () => 0)).toBe(60_000);
  expect(firstWait(24 * hour, () => 1)).toBe(600_000);
  expect(firstWait(5_000, () => 1)).toBe(5_000);
});

test('each GPU is measured once in an interval, and only those that are due', async () => {
  last.set('gpu-a', -Infinity).set('gpu-b', Date.now() - 20 * hour);
  schedule.begin();
  await vi.advanceTimersByTimeAsync(3 * hour);
  expect(measured.map(({ gpus }) => gpus)).toEqual([['gpu-a']]);
  await vi.advanceTimersByTimeAsync(4 * hour);
  expect(measured.map(({ gpus }) => gpus)).toEqual([['gpu-a'], ['gpu-b']]);
  await vi.advanceTimersByTimeAsync(10 * 24 * hour);
  const ofA = measured.filter(({ gpus }) => gpus.includes('gpu-a')).map(({ at }) => at);
  expect(ofA.length).toBeGreaterThanOrEqual(9);
  expect(ofA.length).toBeLessThanOrEqual(11);
  for (const [place, at] of ofA.slice(1).entries()) expect(at - (ofA[place] ?? 0)).toBeGreaterThanOrEqual(24 * hour);
});

test('a GPU that is not free is tried again ever more rarely, and no more often than so', async () => {
  last.set('gpu-a', -Infinity);
  busy = true;
  schedule.begin();
  await vi.advanceTimersByTimeAsync(48 * hour);
  const gaps = measured.slice(1).map(({ at }, place) => at - (measured[place]?.at ?? 0));
  expect(gaps.length).toBeGreaterThan(5);
  expect(Math.min(...gaps)).toBe(360_000);
  expect(Math.max(...gaps)).toBe(hour + 60_000);
  busy = false;
  await vi.advanceTimersByTimeAsync(24 * hour);
  expect(last.get('gpu-a')).toBeGreaterThan(0);
});

test('a GPU that comes later is found within the hour', async () => {
  schedule.begin();
  await vi.advanceTimersByTimeAsync(hour);
  last.set('gpu-a', -Infinity);
  await vi.advanceTimersByTimeAsync(hour);
  expect(measured).toHaveLength(1);
});

test('one that was stopped measures nothing any more', async () => {
  last.set('gpu-a', -Infinity);
  schedule.begin();
  schedule.stop();
  await vi.advanceTimersByTimeAsync(48 * hour);
  expect(measured).toEqual([]);
});
