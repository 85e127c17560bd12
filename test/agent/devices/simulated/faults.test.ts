// The faults of simulated devices: what the file may say, and what a device with each of them shows.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeviceReadings } from '../../../../src/agent/devices/record.ts';
import { parseFaults } from '../../../../src/agent/devices/simulated/faults.ts';
import { createSimulatedSource } from '../../../../src/agent/devices/simulated/source.ts';
import { DeviceError, type DeviceSource } from '../../../../src/agent/devices/source.ts';

let folder: string;
let faultsFile: string;
let source: DeviceSource;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
  faultsFile = join(folder, 'faults.json');
  source = createSimulatedSource({ profile: 'dgx-h100', faultsFile, nodeName: 'node-1' });
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(faults: object): void {
  writeFileSync(faultsFile, JSON.stringify(faults));
  source.count();
}

/** The readings of two devices are of the same load when their time is: so a device is compared with itself. */
function readings(fault: object): [before: DeviceReadings, after: DeviceReadings] {
  const before = source.sample(2);
  write({ 2: fault });
  return [before, source.sample(2)];
}

test.each([
  ['[]', 'the file must be an object'],
  ['{"x": {}}', 'unknown key "x"'],
  ['{"1": {"melted": true}}', 'unknown fault "melted" of "1"'],
  ['{"1": {"lost": 1}}', '"1" lost must be true or false'],
  ['{"1": {"hang": "reset"}}', '"1" hang must be one of check, read, sample'],
  ['{"1": {"ecc": {"uncorrected": -1}}}', '"1" ecc uncorrected must be a whole number from 0 on'],
  ['{"1": {"ecc": {"many": 1}}}', 'unknown fault "many" of "1" ecc'],
  ['{"1": {"throttleReasons": ["fun"]}}', '"1" throttleReasons[0] must be one of idle,'],
  ['{"1": {"recoveryAction": "pray"}}', '"1" recoveryAction must be one of none, reset,'],
  ['{"1": {"nvlinksDown": 3}}', '"1" nvlinksDown must be a list of numbers of links'],
  ['{"removed": 1}', '"removed" must be a list of places'],
  ['{"removed": ["x"]}', '"removed"[0] must be a place or a uuid'],
  ['{"events": [{"xid": 79}]}', '"events"[0] must have a "gpu"'],
  ['{"events": [{"gpu": 1}]}', '"events"[0] must have either "xid" or "kind"'],
  ['{"events": [{"gpu": 1, "kind": "party"}]}', '"events"[0] kind must be one of xid,'],
  ['{"driver": {"hang": true}}', '"driver" hang must be one of open, count, events'],
])('%s is refused', (text, message) => {
  expect(() => parseFaults(text)).toThrow(message);
});

describe('a device', () => {
  test.each([
    ['lost', { lost: true }, 'lost'],
    ['resetRequired', { resetRequired: true }, 'reset-required'],
    ['failed', { failed: 'no power' }, 'failed'],
  ])('that is %s refuses, and no other does', (_what, fault, kind) => {
    write({ 2: fault });
    expect(faultOf(() => source.sample(2))).toBe(kind);
    expect(faultOf(() => source.sample(3))).toBeUndefined();
    write({});
    expect(faultOf(() => source.sample(2))).toBeUndefined();
  });

  test('is named by its uuid too, in either case', () => {
    const { uuid } = source.read(2);
    for (const name of [uuid, uuid.toLowerCase()]) {
      write({ [name]: { lost: true } });
      expect([1, 2, 3].map((index) => faultOf(() => source.check(index)))).toEqual([undefined, 'lost', undefined]);
    }
  });

  test('that is removed is not counted, by place or by uuid', () => {
    const { uuid } = source.read(2);
    for (const key of [2, uuid]) {
      write({ removed: [key] });
      expect(source.count()).toBe(7);
      expect(Array.from({ length: 7 }, (_, index) => source.check(index).uuid)).not.toContain(uuid);
    }
  });

  test('counts errors on top of those that it had', () => {
    const [before, after] = readings({
      ecc: { corrected: 3, uncorrected: 2 },
      nvlinkErrors: { crc: 4, replay: 5, recovery: 6 },
      pcieReplays: 70,
    });
    const { volatileCorrected = 0, aggregateCorrected = 0 } = before.eccErrors ?? {};
    expect(after.eccErrors).toEqual({
      volatileCorrected: volatileCorrected + 3,
      volatileUncorrected: 2,
      aggregateCorrected: aggregateCorrected + 3,
      aggregateUncorrected: 2,
    });
    const { replay = 0 } = before.nvlinkErrors ?? {};
    expect(after.nvlinkErrors).toEqual({ crc: 4, replay: replay + 5, recovery: 6 });
    expect(after.pcieReplays).toBe((before.pcieReplays ?? 0) + 70);
  });

  test('shows rows and pages, heat and what the driver recommends', () => {
    const [before, after] = readings({
      remappedRows: { uncorrectable: 1, pending: true },
      retiredPages: { doubleBit: 2, pending: true },
      temperatureCelsius: 93,
      memoryTemperatureCelsius: 101,
      recoveryAction: 'drain-and-reset',
    });
    expect(before.retiredPages).toBeUndefined();
    expect(after).toMatchObject({
      remappedRows: { correctable: 0, uncorrectable: 1, pending: true, failed: false },
      retiredPages: { doubleBit: 2, pending: true },
      temperatureCelsius: 93,
      memoryTemperatureCelsius: 101,
      recoveryAction: 'drain-and-reset',
    });
    expect(after.retiredPages).not.toHaveProperty('singleBit');
    const { health } = source.check(2);
    expect(health).toEqual(Object.fromEntries(Object.entries(after).filter(([name]) => name in (health ?? {}))));
    expect(health).toHaveProperty('recoveryAction', 'drain-and-reset');
  });

  test('that was reset counts from there, but for what stays with the board', () => {
    const [before, after] = readings({ resetAtMs: Date.now() - 10_000 });
    expect(before.energyMillijoules).toBeGreaterThan(1e9);
    expect(after.energyMillijoules).toBeLessThan(20 * 700_000);
    expect(after.energyMillijoules).toBeGreaterThan(5 * 95_000);
    expect(after.pcieReplays).toBe(0);
    expect(after.nvlinkTxBytes).toBeLessThan(20 * 40e9);
    expect(after.nvlinkErrors).toEqual({ crc: 0, replay: 0, recovery: 0 });
    expect(after.eccErrors).toEqual({ ...before.eccErrors, volatileCorrected: 0, volatileUncorrected: 0 });
  });

  test('that is throttled has lower clocks', () => {
    const [before, after] = readings({ throttleReasons: ['hardware-thermal'] });
    expect(after.throttleReasons).toEqual(['hardware-thermal']);
    expect((after.smMhz ?? 0) / (before.smMhz ?? 0)).toBeCloseTo(0.5, 1);
  });

  test('with links that are down has a record to be read again', () => {
    const before = source.check(2).fingerprint;
    write({ 2: { nvlinksDown: [0, 17] } });
    expect(source.check(2).fingerprint).not.toBe(before);
    const down = source.read(2).nvlinks?.filter(({ active }) => !active);
    expect(down?.map(({ link }) => link)).toEqual([0, 17]);
  });
});

describe('events', () => {
  test('are reported once, for the device and the instance that they name', () => {
    const { uuid } = source.read(2);
    const xid = { gpu: 2, xid: 79, time: '1' };
    write({ events: [xid] });
    expect(source.events(0)).toEqual([{ uuid, kind: 'xid', data: 79 }]);
    expect(source.events(0)).toEqual([]);
    write({ events: [xid, { gpu: uuid, kind: 'double-bit-ecc', gpuInstance: 1, computeInstance: 0 }] });
    expect(source.events(0)).toEqual([{ uuid, kind: 'double-bit-ecc', data: 0, gpuInstance: 1, computeInstance: 0 }]);
  });

  test('that stood in the file before the source began are history', () => {
    write({ events: [{ gpu: 2, xid: 79 }] });
    const later = createSimulatedSource({ profile: 'dgx-h100', faultsFile, nodeName: 'node-1' });
    expect(later.events(0)).toEqual([]);
  });

  test('like one before come again with another time', () => {
    write({ events: [{ gpu: 2, xid: 79, time: '1' }] });
    expect(source.events(0)).toHaveLength(1);
    write({ events: [{ gpu: 2, xid: 79, time: '2' }] });
    expect(source.events(0)).toHaveLength(1);
  });

  test('of a device that is not there are nobody’s', () => {
    write({ events: [{ gpu: 200, xid: 79 }] });
    expect(source.events(0)).toEqual([]);
  });
});

function faultOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof DeviceError) return error.fault;
    throw error;
  }
}
