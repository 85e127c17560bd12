// The device record of the agent as the message that DeviceDetails serves.
import type { DeviceRecord } from '../cache-server/device-details.ts';
import { Device, Process_Kind } from '../wire/gpubroker/device/v1/device_details.ts';
import type { DeviceReadings } from './devices/record.ts';
import type { DeviceView } from './devices/view.ts';

/** Absent values stay absent. */
export function toDevice({ uuid, source, record, readings }: DeviceView): DeviceRecord {
  const { memory, nvlinks = [], ...same } = record;
  return Device.fromPartial({
    ...same,
    uuid,
    source,
    nvlinks,
    ...(memory && {
      memory: { totalBytes: BigInt(memory.totalBytes), reservedBytes: bigintOf(memory.reservedBytes) },
    }),
    ...(readings && { readings: toReadings(readings), processes: (readings.processes ?? []).map(toProcess) }),
  });
}

function toReadings({ timeMs, memoryUsedBytes, processes: _, ...same }: DeviceReadings) {
  return { ...same, time: new Date(timeMs), memoryUsedBytes: bigintOf(memoryUsedBytes) };
}

function toProcess({ pid, kind, usedMemoryBytes }: NonNullable<DeviceReadings['processes']>[number]) {
  return {
    pid,
    kind: kind === 'compute' ? Process_Kind.COMPUTE : Process_Kind.GRAPHICS,
    usedMemoryBytes: bigintOf(usedMemoryBytes),
  };
}

function bigintOf(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}
