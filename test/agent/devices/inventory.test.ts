// Samples are slow: a look at the devices waits for a share of them, not for all.
import { expect, test } from 'vitest';
import { Inventory } from '../../../src/agent/devices/inventory.ts';
import { createLog } from '../../../src/daemon/logger.ts';

const { log } = createLog({ daemon: 'test', node: 'node', level: 'error', format: 'json' });

/** An inventory of so many devices, all of which have just been found. */
function inventoryOf(devices: number) {
  const clock = { now: 0 };
  const nobody = {
    deviceChanged: () => undefined,
    deviceRemoved: () => undefined,
    eventReported: () => undefined,
    sourceChanged: () => undefined,
  };
  const inventory = new Inventory({ source: 'nvml', listener: nobody, log, clock: () => clock.now });
  inventory.beginSweep();
  for (let index = 0; index < devices; index += 1) {
    inventory.answered(index, { uuid: `GPU-${index}`, fingerprint: '' });
    inventory.store({ index, uuid: `GPU-${index}`, vendor: 'nvidia' });
  }
  return { inventory, clock };
}

test('devices that were never sampled are sampled at once, then each in its turn', () => {
  const { inventory, clock } = inventoryOf(8);
  const interval = 1_000;
  const telemetry = 4_000;
  const sampled = Array.from({ length: 12 }, (_, sweep) => {
    clock.now = sweep * interval;
    const due = inventory.unsampled(clock.now - telemetry + interval / 2, interval / telemetry);
    for (const target of due) inventory.sampled(target, { timeMs: 0 });
    return due.map(({ index }) => index);
  });
  expect(sampled[0]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(sampled.slice(1, 4)).toEqual([[], [], []]);
  expect(sampled.slice(4, 8)).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
  ]);
  expect(sampled.slice(8, 12)).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
    [6, 7],
  ]);
});

test('where every look is rarer than the samples are due, each brings them all', () => {
  const { inventory, clock } = inventoryOf(3);
  for (const now of [0, 60_000, 120_000]) {
    clock.now = now;
    const due = inventory.unsampled(now - 5_000 + 30_000, 60_000 / 5_000);
    expect(due).toEqual([{ index: 0 }, { index: 1 }, { index: 2 }]);
    for (const target of due) inventory.sampled(target, { timeMs: 0 });
  }
});
