// One card posing as two: the first keeps the identity, and nothing flaps.
import { expect, test } from 'vitest';
import { sleep, watchRunning } from './watched-source.ts';

test('the second of two equal uuids is ignored and reported once', async () => {
  const { told, states, device, log } = await watchRunning({ faults: { '3': { posesAs: 1 } } });
  await sleep(500);
  expect(states()).toEqual(['ok', 'ok', 'ok']);
  expect(device(1).record.index).toBe(1);
  expect(told.every((call) => call.state === 'ok')).toBe(true);
  expect(log.filter(({ level }) => level === 'error')).toEqual([
    expect.objectContaining({ gpu: device(1).uuid.toLowerCase(), index: 3, first: 1 }),
  ]);
});
