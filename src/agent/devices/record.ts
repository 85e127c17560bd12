// The device record: what any source can say of a device, whatever its vendor. A value that the driver does not
// give is absent: never zero, never NaN. Everything here survives JSON, for it crosses a process boundary.

/** The part of a device that rarely changes. Sizes in bytes, clocks in MHz, power in milliwatts. */
export interface DeviceRecord {
  /** The driver's index; may change when the driver is loaded again. */
  index: number;
  /** The driver's own spelling, for instance `GPU-4f1f…`; the device's identity. */
  uuid: string;
  vendor: 'nvidia' | 'amd' | 'intel';
  /** The uuid of the device of which this is a part, and which part: a MIG instance. */
  parent?: string;
  migInstance?: { gpuInstance: number; computeInstance?: number; profile?: string };
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
  temperatureLimits?: { slowdownCelsius?: number; shutdownCelsius?: number; memoryMaxCelsius?: number };
  nvlinks?: { link: number; active: boolean; version?: number; remoteBusId?: string }[];
  ecc?: { enabled: boolean; pending: boolean };
  mig?: { enabled: boolean; pending: boolean; instanceUuids: string[] };
  /** How an AMD card is divided, for instance `spx` for not at all; the record is of the whole card. */
  computePartition?: string;
  witnesses?: Witnesses;
}

/**
 * What others than the driver's own library say of a device, to be compared with what that says (../identity/). Absent is
 * a witness that cannot be heard.
 */
export interface Witnesses {
  /** The kernel's list of the PCI bus, at the device's address. */
  pci?: 'no GPU' | { deviceId: number; subsystemId?: number };
  /** NVIDIA's kernel module, in procfs. */
  kernelModule?: {
    version?: string;
    /** What it lists at the device's address. */
    gpu?: 'not listed' | { model?: string; uuid?: string; vbiosVersion?: string };
  };
}

/** What the driver says should be done about a device. */
export type RecoveryAction = (typeof recoveryActions)[number];

/** In the order of nvmlDeviceGpuRecoveryAction_t of nvml.h. */
export const recoveryActions = ['none', 'reset', 'reboot', 'drain-p2p', 'drain-and-reset', 'imex'] as const;

/** Why clocks are lower than they could be. */
export type ThrottleReason = (typeof throttleReasons)[number];

/** In the order of the bits of nvmlClocksEventReasons of nvml.h, from the lowest on. */
export const throttleReasons = [
  'idle',
  'applications-clocks',
  'power-cap',
  'hardware-slowdown',
  'sync-boost',
  'software-thermal',
  'hardware-thermal',
  'power-brake',
  'display-clocks',
] as const;

/** Counts of errors since the driver was loaded (`volatile`), and since the board was made (`aggregate`). */
export interface EccErrors {
  volatileCorrected?: number;
  volatileUncorrected?: number;
  aggregateCorrected?: number;
  aggregateUncorrected?: number;
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
  memoryTemperatureCelsius?: number;
  fanPercent?: number;
  encoderPercent?: number;
  decoderPercent?: number;
  /** Since the driver was loaded. */
  energyMillijoules?: number;
  /** Empty where the clocks are as high as they can be. */
  throttleReasons?: ThrottleReason[];
  pcieTxBytesPerSecond?: number;
  pcieRxBytesPerSecond?: number;
  /** Since the driver was loaded, like all that follows but retired pages and remapped rows, which stay. */
  pcieReplays?: number;
  nvlinkTxBytes?: number;
  nvlinkRxBytes?: number;
  /** Over all links. */
  nvlinkErrors?: { crc?: number; replay?: number; recovery?: number };
  eccErrors?: EccErrors;
  retiredPages?: { singleBit?: number; doubleBit?: number; pending?: boolean };
  remappedRows?: { correctable: number; uncorrectable: number; pending: boolean; failed: boolean };
  recoveryAction?: RecoveryAction;
  /** Absent where the driver does not say, empty where no process uses the device. */
  processes?: { pid: number; kind: 'compute' | 'graphics'; usedMemoryBytes?: number }[];
}

/**
 * The readings from which a device's health follows. They come with every regular look at it; the others, which cost
 * more and decide nothing, at the telemetry interval.
 */
export type DeviceHealth = Pick<
  DeviceReadings,
  | 'temperatureCelsius'
  | 'memoryTemperatureCelsius'
  | 'throttleReasons'
  | 'pcieReplays'
  | 'nvlinkErrors'
  | 'eccErrors'
  | 'retiredPages'
  | 'remappedRows'
  | 'recoveryAction'
>;
