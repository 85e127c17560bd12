// Takes the moving values of one NVIDIA GPU that decide nothing: load, clocks, power, traffic, processes. Reading them
// may take its time, PCIe traffic 20 ms each way; what health follows from is in device-health.ts, and comes more often.
import { present, tolerate } from '../absence.ts';
import type { DeviceReadings } from '../record.ts';
import type { ProcessInfo } from './layouts.ts';
import type { DeviceHandle, NvmlLibrary } from './library.ts';
import { readNvlinkTraffic } from './nvlink-counters.ts';

type Processes = NonNullable<DeviceReadings['processes']>;

/** Reads them all; what the driver does not give, or fails to give, is absent. */
export function readDeviceReadings(nvml: NvmlLibrary, device: DeviceHandle): DeviceReadings {
  const utilization = tolerate(() => nvml.utilization(device));
  return {
    timeMs: Date.now(),
    ...present({
      utilizationPercent: utilization?.gpu,
      memoryUtilizationPercent: utilization?.memory,
      memoryUsedBytes: tolerate(() => nvml.memory(device)?.usedBytes),
      powerMilliwatts: tolerate(() => nvml.powerUsage(device)),
      graphicsMhz: tolerate(() => nvml.clock(device, 'graphics')),
      smMhz: tolerate(() => nvml.clock(device, 'sm')),
      memoryMhz: tolerate(() => nvml.clock(device, 'memory')),
      fanPercent: tolerate(() => nvml.fanSpeed(device)),
      encoderPercent: tolerate(() => nvml.encoderUtilization(device)),
      decoderPercent: tolerate(() => nvml.decoderUtilization(device)),
      energyMillijoules: tolerate(() => nvml.energy(device)),
      pcieTxBytesPerSecond: tolerate(() => nvml.pcieThroughput(device, 'tx')),
      pcieRxBytesPerSecond: tolerate(() => nvml.pcieThroughput(device, 'rx')),
      ...readNvlinkTraffic(nvml, device),
      processes: readProcesses(nvml, device),
    }),
  };
}

/** What a MIG instance has of its own; load, clocks and power are not given for less than the whole GPU. */
export function readInstanceReadings(nvml: NvmlLibrary, instance: DeviceHandle): DeviceReadings {
  return {
    timeMs: Date.now(),
    ...present({
      memoryUsedBytes: tolerate(() => nvml.memory(instance)?.usedBytes),
      processes: readProcesses(nvml, instance),
    }),
  };
}

/**
 * Absent unless the driver lists the computing processes, for an empty list says that the device is free. A process
 * that computes and draws is listed twice.
 */
function readProcesses(nvml: NvmlLibrary, device: DeviceHandle): Processes | undefined {
  const compute = tolerate(() => nvml.computeProcesses(device));
  if (compute === undefined) return undefined;
  const graphics = tolerate(() => nvml.graphicsProcesses(device));
  return [...ofKind('compute', compute), ...ofKind('graphics', graphics)];
}

function ofKind(kind: Processes[number]['kind'], processes: ProcessInfo[] = []): Processes {
  return processes.map(({ pid, usedMemoryBytes }) => ({ pid, kind, ...present({ usedMemoryBytes }) }));
}
