// The device record: what any source can say of a device, whatever its vendor. A value that the driver does not
// give is absent: never zero, never NaN. Everything here survives JSON, for it crosses a process boundary.

/** The part of a device that rarely changes. Sizes in bytes, clocks in MHz, power in milliwatts. */
export interface DeviceRecord {
  /** The driver's index; may change when the driver is loaded again. */
  index: number;
  /** The driver's own spelling, for instance `GPU-4f1f…`; the device's identity. */
  uuid: string;
  vendor: 'nvidia' | 'amd' | 'intel';
  serial?: string;
  model?: string;
  /** Lower case, for instance `hopper`. */
  architecture?: string;
  boardPartNumber?: string;
  vbiosVersion?: string;
  driverVersion?: string;
  /** `major.minor`, the highest that the driver supports. */
  cudaVersion?: string;
  /** `major.minor`. */
  computeCapability?: string;
  multiprocessors?: number;
  numaNode?: number;
  pci?: {
    /** As the driver prints it, for instance `00000000:3B:00.0`. */
    busId: string;
    /** Device id in the high half, vendor id in the low: `0x233010DE`. */
    deviceId?: number;
    subsystemId?: number;
    linkGeneration?: number;
    maxLinkGeneration?: number;
    linkWidth?: number;
    maxLinkWidth?: number;
  };
  memory?: { totalBytes: number; reservedBytes?: number };
  clocks?: { maxGraphicsMhz?: number; maxSmMhz?: number; maxMemoryMhz?: number };
  powerLimits?: {
    enforcedMilliwatts?: number;
    defaultMilliwatts?: number;
    minMilliwatts?: number;
    maxMilliwatts?: number;
  };
  nvlinks?: { link: number; active: boolean; version?: number; remoteBusId?: string }[];
  ecc?: { enabled: boolean; pending: boolean };
  mig?: { enabled: boolean; pending: boolean; instanceUuids: string[] };
}

/** The part of a device that moves. */
export interface DeviceReadings {
  /** Milliseconds since the epoch, UTC. */
  timeMs: number;
  utilizationPercent?: number;
  memoryUtilizationPercent?: number;
  memoryUsedBytes?: number;
  temperatureCelsius?: number;
  powerMilliwatts?: number;
  graphicsMhz?: number;
  smMhz?: number;
  memoryMhz?: number;
  /** Absent where the driver does not say, empty where no process uses the device. */
  processes?: { pid: number; kind: 'compute' | 'graphics'; usedMemoryBytes?: number }[];
}
