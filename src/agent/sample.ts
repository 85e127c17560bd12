// The readings of a GPU as the broker stores them: in units that fit its columns, and rates in the place of counters.
import type { Readings } from '../wire/gpubroker/device/v1/device_details.ts';
import type { Sample } from '../wire/gpubroker/node/v1/node_link.ts';
import { throttleMask } from './telemetry/throttle-bits.ts';

/** @param before the readings of the sample before; the traffic of NVLink is that of the time between */
export function toSample(gpu: string, readings: Readings, before: Readings | undefined): Sample {
  const { utilizationPercent, memoryUtilizationPercent, memoryUsedBytes, temperatureCelsius } = readings;
  const { powerMilliwatts, smMhz, memoryMhz, memoryTemperatureCelsius, energyMillijoules, eccErrors } = readings;
  return {
    gpu,
    utilizationPercent,
    memoryUtilizationPercent,
    memoryUsedBytes,
    temperatureCelsius,
    powerMilliwatts,
    smMhz,
    memoryMhz,
    memoryTemperatureCelsius,
    energyJoules: energyMillijoules === undefined ? undefined : Number(energyMillijoules) / 1000,
    // A message cannot tell no reason from none that is known.
    throttleBits: throttleMask(readings.throttleReasons) || undefined,
    pcieTxKilobytes: kilobytes(readings.pcieTxBytesPerSecond),
    pcieRxKilobytes: kilobytes(readings.pcieRxBytesPerSecond),
    nvlinkTxKilobytes: rate('nvlinkTxBytes', readings, before),
    nvlinkRxKilobytes: rate('nvlinkRxBytes', readings, before),
    eccCorrected: fitting(eccErrors?.volatileCorrected),
    eccUncorrected: fitting(eccErrors?.volatileUncorrected),
  };
}

/** Counters that went back began anew, and say nothing of the time between. */
function rate(
  counter: 'nvlinkTxBytes' | 'nvlinkRxBytes',
  now: Readings,
  before: Readings | undefined,
): number | undefined {
  const [earlier, later] = [before?.[counter], now[counter]];
  const ms = (now.time?.getTime() ?? 0) - (before?.time?.getTime() ?? 0);
  if (earlier === undefined || later === undefined || later < earlier || ms <= 0) return undefined;
  return fitting(Math.round(Number(later - earlier) / ms));
}

function kilobytes(bytes: bigint | undefined): number | undefined {
  return bytes === undefined ? undefined : fitting(Math.round(Number(bytes) / 1000));
}

/** At most what the field holds. */
function fitting(count: bigint | number | undefined): number | undefined {
  return count === undefined ? undefined : Math.min(Number(count), 0xffff_ffff);
}
