// What a device with faults shows in the place of what it would show without them.
import { present } from '../absence.ts';
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

/** The readings of a device that was reset: what counts since the driver was loaded began again. */
export function readingsSince(reset: DeviceReadings, readings: DeviceReadings): DeviceReadings {
  const since = <Name extends 'energyMillijoules' | 'pcieReplays' | 'nvlinkTxBytes' | 'nvlinkRxBytes'>(name: Name) =>
    readings[name] === undefined ? {} : { [name]: readings[name] - (reset[name] ?? 0) };
  const { eccErrors } = readings;
  return {
    ...readings,
    ...since('energyMillijoules'),
    ...since('pcieReplays'),
    ...since('nvlinkTxBytes'),
    ...since('nvlinkRxBytes'),
    ...(readings.nvlinkErrors && { nvlinkErrors: difference(readings.nvlinkErrors, reset.nvlinkErrors) }),
    ...(eccErrors && {
      eccErrors: {
        ...difference(eccErrors, reset.eccErrors),
        ...present({
          aggregateCorrected: eccErrors.aggregateCorrected,
          aggregateUncorrected: eccErrors.aggregateUncorrected,
        }),
      },
    }),
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

function difference<Counts extends object>(more: Counts, some: Partial<Counts> | undefined): Counts {
  const before = new Map<string, number>(Object.entries(some ?? {}));
  const entries = Object.entries<number>(more as Record<string, number>);
  return Object.fromEntries(entries.map(([name, count]) => [name, count - (before.get(name) ?? 0)])) as Counts;
}

function sum<Counts extends Record<string, number>>(some: Partial<Counts>, more: Counts): Counts {
  const entries = Object.entries(more).map(([name, count]) => [name, (some[name] ?? 0) + count]);
  return { ...some, ...Object.fromEntries(entries) };
}
