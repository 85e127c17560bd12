// How a GPU was while a figure was taken: the ranges of what its driver said meanwhile.
import type { Range, RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { DeviceReadings, EccErrors } from '../devices/record.ts';
import { throttleMask } from '../telemetry/throttle-bits.ts';

/** From when to when, in milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The conditions of a time. A figure may be taken faster than readings come: then the last one before its end counts.
 *
 * @param readings the oldest first
 * @param longestAge of that last one, in milliseconds
 * @returns undefined where nothing was read
 */
export function conditionsOf(
  readings: readonly DeviceReadings[],
  { from, to }: Span,
  longestAge: number,
  powerLimitMilliwatts: number | undefined,
): RunConditions | undefined {
  const within = readings.filter(({ timeMs }) => timeMs >= from && timeMs <= to);
  const last = readings.findLast(({ timeMs }) => timeMs <= to && timeMs >= to - longestAge);
  const counted = within.length > 0 ? within : last ? [last] : [];
  if (counted.length === 0) return undefined;
  const range = (name: 'smMhz' | 'memoryMhz' | 'powerMilliwatts' | 'temperatureCelsius') =>
    rangeOf(counted.flatMap((one) => one[name] ?? []));
  return {
    readings: counted.length,
    smMhz: range('smMhz'),
    memoryMhz: range('memoryMhz'),
    powerMilliwatts: range('powerMilliwatts'),
    temperatureCelsius: range('temperatureCelsius'),
    throttleBits: counted.reduce((bits, { throttleReasons }) => bits | (throttleMask(throttleReasons) ?? 0), 0),
    powerLimitMilliwatts,
  };
}

/** How much a count of errors has grown; undefined where it is not counted, or began anew. */
export function growthOf(
  count: 'volatileCorrected' | 'volatileUncorrected',
  before: EccErrors | undefined,
  after: EccErrors | undefined,
): number | undefined {
  const [earlier, later] = [before?.[count], after?.[count]];
  return earlier === undefined || later === undefined || later < earlier ? undefined : later - earlier;
}

/** What is below zero does not fit the message, and says that a sensor is broken, or that it is very cold. */
function rangeOf(values: readonly number[]): Range | undefined {
  const whole = values.map(Math.round).filter((value) => value >= 0);
  return whole.length === 0 ? undefined : { least: Math.min(...whole), greatest: Math.max(...whole) };
}
