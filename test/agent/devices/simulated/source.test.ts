// The simulated source by itself: profiles, identities, readings.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { parseFaults } from '../../../../src/agent/devices/simulated/faults.ts';
import { PROFILES } from '../../../../src/agent/devices/simulated/profiles.ts';
import { createSimulatedSource } from '../../../../src/agent/devices/simulated/source.ts';
import { readingsAt } from '../../../../src/agent/devices/simulated/telemetry.ts';

test.each([
  ['dgx-h100', 8, 'nvidia', 18],
  ['dgx-a100', 8, 'nvidia', 12],
  ['h200x1', 1, 'nvidia', 0],
  ['l40s-x4', 4, 'nvidia', 0],
  ['mi300x-x8', 8, 'amd', 0],
])('%s has its devices, each with a place and an identity of its own', (profile, devices, vendor, links) => {
  const source = createSimulatedSource({ profile, nodeName: 'node-1' });
  source.open();
  expect(source.count()).toBe(devices);
  const records = Array.from({ length: devices }, (_, index) => source.read(index));
  for (const key of ['uuid', 'serial'] as const)
    expect(new Set(records.map((record) => record[key])).size).toBe(devices);
  expect(new Set(records.map(({ pci }) => pci?.busId)).size).toBe(devices);
  for (const record of records) {
    expect(record.uuid).toMatch(/^GPU-51[0-9a-f]{6}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(record.vendor).toBe(vendor);
    expect(record.nvlinks?.length ?? 0).toBe(links);
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
    expect(source.check(record.index).uuid).toBe(record.uuid);
  }
});

test('another node has other devices', () => {
  const [here, there] = ['node-1', 'node-2'].map((nodeName) => createSimulatedSource({ profile: 'h200x1', nodeName }));
  expect(here?.read(0).uuid).not.toBe(there?.read(0).uuid);
});

test('readings move, stay within the limits of the card, and agree with each other', () => {
  for (const profile of PROFILES.values()) {
    const { powerLimits, memory, clocks } = profile.device;
    const day = Array.from({ length: 500 }, (_, step) => readingsAt(profile, 1.7e12 + step * 5_000, 0.3));
    const busiest = day.reduce((a, b) => ((b.utilizationPercent ?? 0) > (a.utilizationPercent ?? 0) ? b : a));
    const idlest = day.reduce((a, b) => ((b.utilizationPercent ?? 0) < (a.utilizationPercent ?? 0) ? b : a));
    expect(busiest.utilizationPercent).toBeGreaterThan(90);
    expect(idlest.utilizationPercent).toBeLessThan(10);
    expect(busiest.powerMilliwatts).toBeGreaterThan(2 * (idlest.powerMilliwatts ?? 0));
    expect(busiest.graphicsMhz).toBeGreaterThan(idlest.graphicsMhz ?? 0);
    for (const { powerMilliwatts, memoryUsedBytes, graphicsMhz, temperatureCelsius } of day) {
      expect(powerMilliwatts).toBeLessThanOrEqual(powerLimits.maxMilliwatts ?? 0);
      expect(memoryUsedBytes).toBeLessThanOrEqual(memory.totalBytes);
      expect(graphicsMhz).toBeLessThanOrEqual(clocks.maxGraphicsMhz ?? 0);
      expect(temperatureCelsius).toBeGreaterThanOrEqual(profile.idle.temperatureCelsius);
      expect(temperatureCelsius).toBeLessThanOrEqual(profile.busyCelsius);
    }
    expect(readingsAt(profile, 1.7e12, 0.3)).toEqual(day[0]);
  }
});

test('a garbled file of faults is reported once and changes nothing', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const faultsFile = join(mkdtempSync(join(tmpdir(), 'faults-')), 'faults.json');
  writeFileSync(faultsFile, '{ "removed": [0] }');
  const source = createSimulatedSource({ profile: 'l40s-x4', faultsFile });
  expect(source.count()).toBe(3);
  writeFileSync(faultsFile, '{ "removed": [0], "1": ');
  for (let times = 0; times < 3; times += 1) expect(source.count()).toBe(3);
  expect(warn).toHaveBeenCalledTimes(1);
  writeFileSync(faultsFile, '{}');
  expect(source.count()).toBe(4);
});

test.each([
  ['[]', 'the file must be an object'],
  ['{"x": {}}', 'unknown key "x"'],
  ['{"1": {"melted": true}}', 'unknown fault "melted" of "1"'],
  ['{"1": {"hang": "reset"}}', '"1" hang must be one of check, read, sample'],
  ['{"removed": 1}', '"removed" must be a list of places'],
  ['{"driver": {"hang": true}}', '"driver" hang must be one of open, count, events'],
])('%s is refused', (text, message) => {
  expect(() => parseFaults(text)).toThrow(message);
});
