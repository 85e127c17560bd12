// What a device with faults shows in the place of what it would show without them.
import type { DeviceReadings, DeviceRecord } from '../record.ts';
import type { DeviceFaults } from './faults.ts';

/** The record of a device that has faults. */
export function faultyRecord(record: DeviceRecord, { nvlinksDown }: DeviceFaults): DeviceRecord {
  if (!nvlinksDown || !record.nvlinks) return record;
  const nvlinks = record.nvlinks.map((one) => (nvlinksDown.includes(one.link) ? { ...one, active: false } : one));
  return { ...record, nvlinks };
}

/** The readings of a device that has faults: counts come on top, all else takes the place of what there was. */
export function faultyReadings(readings: DeviceReadings, faults: DeviceFaults): DeviceReadings {
  const { temperatureCelsius, memoryTemperatureCelsius, recoveryAction } = faults;
  const { ecc, retiredPages, remappedRows, nvlinkErrors, pcieReplays } = faults;
  return {
    ...readings,
    ...(temperatureCelsius !== undefined && { temperatureCelsius }),
    ...(memoryTemperatureCelsius !== undefined && { memoryTemperatureCelsius }),
    ...(recoveryAction !== undefined && { recoveryAction }),
    ...(pcieReplays !== undefined && { pcieReplays: (readings.pcieReplays ?? 0) + pcieReplays }),
    ...throttled(readings, faults),
    ...(nvlinkErrors && { nvlinkErrors: sum({ ...readings.nvlinkErrors }, nvlinkErrors) }),
    ...(ecc && { eccErrors: sum({ ...readings.eccErrors }, eccErrors(ecc)) }),
    ...(retiredPages && { retiredPages: { ...readings.retiredPages, ...retiredPages } }),
    ...(remappedRows && { remappedRows: { ...NO_REMAPPED_ROWS, ...readings.remappedRows, ...remappedRows } }),
  };
}

const NO_REMAPPED_ROWS = { correctable: 0, uncorrectable: 0, pending: false, failed: false };

function throttled(readings: DeviceReadings, { throttleReasons }: DeviceFaults): Partial<DeviceReadings> {
  if (!throttleReasons) return {};
  if (throttleReasons.every((reason) => reason === 'idle')) return { throttleReasons };
  const { graphicsMhz, smMhz } = readings;
  return {
    throttleReasons,
    ...(graphicsMhz !== undefined && { graphicsMhz: Math.round(graphicsMhz / 2) }),
    ...(smMhz !== undefined && { smMhz: Math.round(smMhz / 2) }),
  };
}

function eccErrors({ corrected = 0, uncorrected = 0 }: NonNullable<DeviceFaults['ecc']>) {
  return {
    volatileCorrected: corrected,
    volatileUncorrected: uncorrected,
    aggregateCorrected: corrected,
    aggregateUncorrected: uncorrected,
  };
}

function sum<Counts extends Record<string, number>>(some: Partial<Counts>, more: Counts): Counts {
  const entries = Object.entries(more).map(([name, count]) => [name, (some[name] ?? 0) + count]);
  return { ...some, ...Object.fromEntries(entries) };
}
