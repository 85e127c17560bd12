// The device record of the agent as the message that DeviceDetails serves.
import type { DeviceRecord } from '../cache-server/device-details.ts';
import { Device, Evidence_Verdict, Process_Kind } from '../wire/gpubroker/device/v1/device_details.ts';
import type { DeviceReadings } from './devices/record.ts';
import type { DeviceView } from './devices/view.ts';
import type { Evidence, Verdict } from './identity/evidence.ts';

const verdicts: Readonly<Record<Verdict, Evidence_Verdict>> = {
  agrees: Evidence_Verdict.AGREES,
  disagrees: Evidence_Verdict.DISAGREES,
  unknown: Evidence_Verdict.UNKNOWN,
};

/** Absent values stay absent. */
export function toDevice(
  { uuid, source, record, readings }: DeviceView,
  evidence: readonly Evidence[] = [],
): DeviceRecord {
  const { memory, nvlinks = [], parent, witnesses: _, ...same } = record;
  return Device.fromPartial({
    ...same,
    uuid,
    source,
    nvlinks,
    evidence: evidence.map((one) => ({ ...one, verdict: verdicts[one.verdict] })),
    parent: parent?.toLowerCase(),
    ...(memory && {
      memory: { totalBytes: BigInt(memory.totalBytes), reservedBytes: bigintOf(memory.reservedBytes) },
    }),
    ...(readings && { readings: toReadings(readings), processes: (readings.processes ?? []).map(toProcess) }),
  });
}

/** Readings that are 64-bit numbers on the wire. */
const wide = [
  'memoryUsedBytes',
  'energyMillijoules',
  'pcieTxBytesPerSecond',
  'pcieRxBytesPerSecond',
  'pcieReplays',
  'nvlinkTxBytes',
  'nvlinkRxBytes',
] as const satisfies readonly (keyof DeviceReadings)[];

function toReadings({ timeMs, processes: _, nvlinkErrors, eccErrors, ...same }: DeviceReadings) {
  const large = Object.fromEntries(wide.map((name) => [name, bigintOf(same[name])])) as Record<
    (typeof wide)[number],
    bigint | undefined
  >;
  const time = new Date(timeMs);
  return { ...same, ...large, time, nvlinkErrors: bigints(nvlinkErrors), eccErrors: bigints(eccErrors) };
}

function bigints<Counts extends object>(counts: Counts | undefined) {
  if (!counts) return undefined;
  const entries = Object.entries(counts).map(([name, count]) => [name, bigintOf(count)]);
  return Object.fromEntries(entries) as { [Name in keyof Counts]?: bigint };
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
