// How a GPU was while it worked, as evidence keeps it: plain JSON, of what its driver told.
import type { Range, RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';

/** @param written how a range is written */
export function writtenConditions(
  conditions: RunConditions,
  written: (range: Range) => unknown,
): Record<string, unknown> {
  const { readings, smMhz, memoryMhz, powerMilliwatts, temperatureCelsius, throttleBits } = conditions;
  const ranges = {
    sm_mhz: smMhz,
    memory_mhz: memoryMhz,
    power_milliwatts: powerMilliwatts,
    temperature_celsius: temperatureCelsius,
  };
  const told = Object.entries(ranges).flatMap(([name, range]) => (range ? [[name, written(range)]] : []));
  return { readings, throttle_bits: throttleBits, ...Object.fromEntries(told) };
}
