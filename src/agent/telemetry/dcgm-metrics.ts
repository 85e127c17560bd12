// What a device's readings are called by those who know dcgm-exporter: names, units and types as DCGM has them.
//
// Where dcgm-exporter calls a rate a counter (PCIe throughput, NVLink bandwidth), it is a gauge here.
import { type DeviceReadings, recoveryActions } from '../devices/record.ts';
import type { LatestDevice } from './latest-devices.ts';
import { throttleMask } from './throttle-bits.ts';

/** One metric of every device. */
export interface DcgmMetric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** Undefined where the driver does not say. */
  read(device: LatestDevice): number | undefined;
}

const MIB = 2 ** 20;

type Read<From> = (from: From) => number | boolean | undefined;

/** A metric of the readings; there is none while the device does not answer, for they are of another time. */
function gauge(name: string, help: string, read: Read<DeviceReadings>): DcgmMetric {
  return ofDevice('gauge', name, help, ({ view }) => view.readings && read(view.readings));
}

function counter(name: string, help: string, read: Read<DeviceReadings>): DcgmMetric {
  return ofDevice('counter', name, help, ({ view }) => view.readings && read(view.readings));
}

function ofDevice(type: DcgmMetric['type'], name: string, help: string, read: Read<LatestDevice>): DcgmMetric {
  return {
    name: `DCGM_FI_DEV_${name}`,
    type,
    help,
    read: (device) => {
      const value = device.view.state === 'ok' ? read(device) : undefined;
      return value === undefined ? undefined : Number(value);
    },
  };
}

/** The metrics of every device, by what they are about. */
export const dcgmMetrics: readonly DcgmMetric[] = [
  gauge('GPU_UTIL', 'GPU utilisation (in %).', (now) => now.utilizationPercent),
  gauge('MEM_COPY_UTIL', 'Memory utilisation (in %).', (now) => now.memoryUtilizationPercent),
  gauge('ENC_UTIL', 'Encoder utilisation (in %).', (now) => now.encoderPercent),
  gauge('DEC_UTIL', 'Decoder utilisation (in %).', (now) => now.decoderPercent),

  ofDevice('gauge', 'FB_TOTAL', 'Memory (in MiB).', ({ view }) => mebibytes(view.record.memory?.totalBytes)),
  ofDevice('gauge', 'FB_RESERVED', 'Memory that the driver keeps for itself (in MiB).', ({ view }) =>
    mebibytes(view.record.memory?.reservedBytes),
  ),
  gauge('FB_USED', 'Memory in use (in MiB).', (now) => mebibytes(now.memoryUsedBytes)),
  ofDevice('gauge', 'FB_FREE', 'Memory that is free (in MiB).', ({ view }) => mebibytes(freeBytes(view))),

  gauge('GPU_TEMP', 'Temperature of the GPU (in °C).', (now) => now.temperatureCelsius),
  gauge('MEMORY_TEMP', 'Temperature of the memory (in °C).', (now) => now.memoryTemperatureCelsius),
  gauge('FAN_SPEED', 'Speed of the fan (in %).', (now) => now.fanPercent),
  gauge('POWER_USAGE', 'Power draw (in W).', (now) => scaled(now.powerMilliwatts, 1 / 1000)),
  counter('TOTAL_ENERGY_CONSUMPTION', 'Energy since the driver was loaded (in mJ).', (now) => now.energyMillijoules),
  gauge('SM_CLOCK', 'Clock of the compute units (in MHz).', (now) => now.smMhz ?? now.graphicsMhz),
  gauge('MEM_CLOCK', 'Clock of the memory (in MHz).', (now) => now.memoryMhz),
  gauge('CLOCKS_EVENT_REASONS', 'Why clocks are lower than they could be: the bits of NVML.', (now) =>
    throttleMask(now.throttleReasons),
  ),
  gauge('CLOCK_THROTTLE_REASONS', 'The same under its name before DCGM 3.3.', (now) =>
    throttleMask(now.throttleReasons),
  ),

  {
    name: 'DCGM_FI_DEV_XID_ERRORS',
    type: 'gauge',
    help: 'The last XID error since the agent started; 0 for none.',
    // Also of a device that answers no more: that is when it is asked for.
    read: ({ view, lastXid }) => (view.record.vendor === 'nvidia' ? (lastXid ?? 0) : lastXid),
  },
  gauge('GET_GPU_RECOVERY_ACTION', 'What the driver says should be done: the numbers of NVML, 0 for nothing.', (now) =>
    now.recoveryAction === undefined ? undefined : recoveryActions.indexOf(now.recoveryAction),
  ),

  counter(
    'ECC_SBE_VOL_TOTAL',
    'Corrected memory errors since the driver was loaded.',
    (now) => now.eccErrors?.volatileCorrected,
  ),
  counter(
    'ECC_DBE_VOL_TOTAL',
    'Uncorrected memory errors since the driver was loaded.',
    (now) => now.eccErrors?.volatileUncorrected,
  ),
  counter(
    'ECC_SBE_AGG_TOTAL',
    'Corrected memory errors since the board was made.',
    (now) => now.eccErrors?.aggregateCorrected,
  ),
  counter(
    'ECC_DBE_AGG_TOTAL',
    'Uncorrected memory errors since the board was made.',
    (now) => now.eccErrors?.aggregateUncorrected,
  ),
  counter('RETIRED_SBE', 'Memory pages retired for corrected errors.', (now) => now.retiredPages?.singleBit),
  counter('RETIRED_DBE', 'Memory pages retired for uncorrected errors.', (now) => now.retiredPages?.doubleBit),
  gauge(
    'RETIRED_PENDING',
    '1 while a memory page waits for a reset to be retired.',
    (now) => now.retiredPages?.pending,
  ),
  counter(
    'CORRECTABLE_REMAPPED_ROWS',
    'Memory rows replaced for corrected errors.',
    (now) => now.remappedRows?.correctable,
  ),
  counter(
    'UNCORRECTABLE_REMAPPED_ROWS',
    'Memory rows replaced for uncorrected errors.',
    (now) => now.remappedRows?.uncorrectable,
  ),
  gauge(
    'ROW_REMAP_PENDING',
    '1 while a memory row waits for a reset to be replaced.',
    (now) => now.remappedRows?.pending,
  ),
  gauge('ROW_REMAP_FAILURE', '1 where a memory row could not be replaced.', (now) => now.remappedRows?.failed),

  gauge('PCIE_TX_THROUGHPUT', 'What is sent over PCIe (in KB/s).', (now) => scaled(now.pcieTxBytesPerSecond, 1 / 1000)),
  gauge('PCIE_RX_THROUGHPUT', 'What is received over PCIe (in KB/s).', (now) =>
    scaled(now.pcieRxBytesPerSecond, 1 / 1000),
  ),
  counter('PCIE_REPLAY_COUNTER', 'PCIe packets that were sent again.', (now) => now.pcieReplays),
  ofDevice('gauge', 'NVLINK_BANDWIDTH_TOTAL', 'What all NVLinks carry, both ways (in MB/s).', (device) =>
    scaled(device.nvlinkBytesPerSecond, 1 / 1e6),
  ),
  counter('NVLINK_COUNT_TX_BYTES', 'What was sent over NVLink (in bytes).', (now) => now.nvlinkTxBytes),
  counter('NVLINK_COUNT_RX_BYTES', 'What was received over NVLink (in bytes).', (now) => now.nvlinkRxBytes),
  counter(
    'NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL',
    'NVLink transmissions with a wrong checksum.',
    (now) => now.nvlinkErrors?.crc,
  ),
  counter(
    'NVLINK_REPLAY_ERROR_COUNT_TOTAL',
    'NVLink transmissions that were repeated.',
    (now) => now.nvlinkErrors?.replay,
  ),
  counter('NVLINK_RECOVERY_ERROR_COUNT_TOTAL', 'Recoveries of an NVLink.', (now) => now.nvlinkErrors?.recovery),
];

function freeBytes({ record, readings }: LatestDevice['view']): number | undefined {
  const used = readings?.memoryUsedBytes;
  if (used === undefined || record.memory === undefined) return undefined;
  const { totalBytes, reservedBytes = 0 } = record.memory;
  return Math.max(0, totalBytes - reservedBytes - used);
}

/** Whole ones, as DCGM has them. */
function mebibytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.floor(bytes / MIB);
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}
