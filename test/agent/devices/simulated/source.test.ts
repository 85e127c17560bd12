// The simulated source by itself: profiles, identities, readings.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { DeviceReadings } from '../../../../src/agent/devices/record.ts';
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

test('a GPU that is divided has its instances as devices of their own', () => {
  const source = createSimulatedSource({ profile: 'dgx-h100-mig', nodeName: 'node-1' });
  expect(source.count()).toBe(8);
  const { uuid, parts } = source.check(2);
  const gpu = source.read(2);
  expect(gpu.mig).toEqual({ enabled: true, pending: true, instanceUuids: parts?.seen.map((part) => part.uuid) });
  expect([parts?.complete, new Set(gpu.mig?.instanceUuids).size]).toEqual([true, 7]);
  const part = gpu.mig?.instanceUuids[4] ?? '';
  expect(part).toMatch(/^MIG-51/);
  expect(source.read(2, part)).toMatchObject({
    uuid: part,
    index: 2,
    parent: uuid,
    migInstance: { gpuInstance: 5, computeInstance: 0, profile: '1g.10gb' },
    model: 'NVIDIA H100 80GB HBM3 MIG 1g.10gb',
    memory: { totalBytes: 9_984 * 2 ** 20 },
  });
  const { memoryUsedBytes = 0, ...rest } = source.sample(2, part);
  expect(memoryUsedBytes).toBeLessThan(9_984 * 2 ** 20);
  expect(Object.keys(rest).sort()).toEqual(['eccErrors', 'processes', 'timeMs']);
  expect(source.sample(2)).not.toHaveProperty('utilizationPercent');
  expect(() => source.read(2, 'MIG-none')).toThrow('no instance MIG-none');
});

test('another node has other devices', () => {
  const [here, there] = ['node-1', 'node-2'].map((nodeName) => createSimulatedSource({ profile: 'h200x1', nodeName }));
  expect(here?.read(0).uuid).not.toBe(there?.read(0).uuid);
});

test('readings move, stay within the limits of the card, and agree with each other', () => {
  for (const profile of PROFILES.values()) {
    if (profile.mig) continue;
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

describe('counters', () => {
  const counters = ({ energyMillijoules, nvlinkTxBytes, nvlinkRxBytes, pcieReplays, eccErrors }: DeviceReadings) =>
    [energyMillijoules, nvlinkTxBytes, nvlinkRxBytes, pcieReplays, eccErrors?.volatileCorrected].map((one) => one ?? 0);

  test('never go back, and are whole', () => {
    for (const profile of PROFILES.values()) {
      let before: number[] = [];
      for (let step = 0; step < 2_000; step++) {
        const now = counters(readingsAt(profile, 1.7e12 + step * 1_300, 0.7));
        for (const [place, count] of before.entries()) expect(now[place]).toBeGreaterThanOrEqual(count);
        expect(now.every(Number.isInteger)).toBe(true);
        before = now;
      }
    }
  });

  test('the energy is what the power comes to', () => {
    const profile = PROFILES.get('dgx-h100');
    if (!profile) throw new Error('there is no such profile');
    // An hour in steps of a second: the wave comes round six times.
    const hour = Array.from({ length: 3_601 }, (_, second) => readingsAt(profile, 1.7e12 + second * 1_000, 0.2));
    const drawn = hour.slice(1).reduce((sum, { powerMilliwatts = 0 }) => sum + powerMilliwatts, 0);
    const counted = (hour.at(-1)?.energyMillijoules ?? 0) - (hour[0]?.energyMillijoules ?? 0);
    expect(counted / drawn).toBeCloseTo(1, 1);
  });

  test('move with the load', () => {
    const profile = PROFILES.get('dgx-h100');
    if (!profile) throw new Error('there is no such profile');
    const turn = Array.from({ length: 121 }, (_, step) => readingsAt(profile, 1.7e12 + step * 5_000, 0.2));
    const sent = turn.slice(1).map(({ nvlinkTxBytes = 0 }, place) => nvlinkTxBytes - (turn[place]?.nvlinkTxBytes ?? 0));
    expect(Math.min(...sent)).toBe(0);
    // 40 GB/s in 5 s.
    expect(Math.max(...sent) / 200e9).toBeCloseTo(1, 1);
  });
});

test.each([...PROFILES])('%s says what its kind of card says', (_name, profile) => {
  const readings = readingsAt(profile, 1.7e12, 0.3);
  const isNvidia = profile.device.vendor === 'nvidia';
  expect(readings.memoryTemperatureCelsius).toBeGreaterThanOrEqual(profile.idle.temperatureCelsius);
  expect(readings.pcieRxBytesPerSecond).toBeGreaterThanOrEqual(readings.pcieTxBytesPerSecond ?? 0);
  expect(readings.energyMillijoules !== undefined).toBe(isNvidia);
  expect(readings.eccErrors !== undefined).toBe(isNvidia);
  expect(readings.throttleReasons !== undefined).toBe(isNvidia);
  expect(readings.recoveryAction).toBe(isNvidia ? 'none' : undefined);
  expect(readings.nvlinkTxBytes !== undefined).toBe(profile.nvlink !== undefined);
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
