// The machines that can be simulated: what their drivers answer, restated from published profiles of real ones.
import type { DeviceRecord } from '../record.ts';

/** One kind of machine. Everything that all its devices share, and where each of them sits. */
export interface Profile {
  /** What the driver says of every device, but for its identity and place. */
  readonly device: Omit<DeviceRecord, 'index' | 'uuid' | 'serial' | 'numaNode' | 'nvlinks'> &
    Required<Pick<DeviceRecord, 'memory' | 'clocks' | 'powerLimits'>>;
  readonly slots: readonly { busId: string; numaNode: number }[];
  /** Links go to these switches in turn. */
  readonly nvlink?: { version: number; links: number; switches: readonly string[] };
  /** How each device is divided into MIG instances; all instances are alike. */
  readonly mig?: { profile: string; instances: number; memoryBytes: number; multiprocessors: number };
  /** Whether the devices have an encoder for video. */
  readonly encodes?: boolean;
  /** What a device without work shows. */
  readonly idle: { powerMilliwatts: number; temperatureCelsius: number; graphicsMhz: number };
  /** Where a device settles under full load. */
  readonly busyCelsius: number;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

const PCIE5 = { linkGeneration: 5, maxLinkGeneration: 5, linkWidth: 16, maxLinkWidth: 16 };
const PCIE4 = { linkGeneration: 4, maxLinkGeneration: 4, linkWidth: 16, maxLinkWidth: 16 };

/** Places devices on the given buses, the first half at NUMA node 0 and the second at node 1. */
function slots(...buses: string[]): Profile['slots'] {
  return buses.map((bus, at) => ({ busId: `00000000:${bus}:00.0`, numaNode: at < buses.length / 2 ? 0 : 1 }));
}

function powerLimits(limitWatts: number, minWatts?: number): NonNullable<DeviceRecord['powerLimits']> {
  const limit = limitWatts * 1000;
  return {
    enforcedMilliwatts: limit,
    defaultMilliwatts: limit,
    maxMilliwatts: limit,
    ...(minWatts !== undefined && { minMilliwatts: minWatts * 1000 }),
  };
}

const dgxH100: Profile = {
  device: {
    vendor: 'nvidia',
    model: 'NVIDIA H100 80GB HBM3',
    architecture: 'hopper',
    boardPartNumber: '699-21010-0200-000',
    vbiosVersion: '96.00.74.00.09',
    driverVersion: '550.163.01',
    cudaVersion: '12.4',
    computeCapability: '9.0',
    multiprocessors: 132,
    pci: { busId: '', deviceId: 0x233010de, subsystemId: 0x165810de, ...PCIE5 },
    memory: { totalBytes: 80 * GIB, reservedBytes: GIB },
    clocks: { maxGraphicsMhz: 1980, maxSmMhz: 1980, maxMemoryMhz: 1593 },
    powerLimits: powerLimits(700, 200),
    temperatureLimits: { slowdownCelsius: 89, shutdownCelsius: 92, memoryMaxCelsius: 95 },
    ecc: { enabled: true, pending: true },
    mig: { enabled: false, pending: false, instanceUuids: [] },
  },
  slots: slots('1A', '1B', '4A', '4B', '8A', '8B', 'CA', 'CB'),
  nvlink: {
    version: 4,
    links: 18,
    switches: ['00000000:05:00.0', '00000000:06:00.0', '00000000:07:00.0', '00000000:08:00.0'],
  },
  idle: { powerMilliwatts: 95_000, temperatureCelsius: 34, graphicsMhz: 345 },
  busyCelsius: 68,
};

/** Every GPU in as many of the smallest instances as it has. */
const dgxH100Mig: Profile = {
  ...dgxH100,
  device: { ...dgxH100.device, mig: { enabled: true, pending: true, instanceUuids: [] } },
  mig: { profile: '1g.10gb', instances: 7, memoryBytes: 9_984 * MIB, multiprocessors: 16 },
};

const dgxA100: Profile = {
  device: {
    vendor: 'nvidia',
    model: 'NVIDIA A100-SXM4-40GB',
    architecture: 'ampere',
    boardPartNumber: '692-2G506-0200-002',
    vbiosVersion: '92.00.45.00.03',
    driverVersion: '550.163.01',
    cudaVersion: '12.4',
    computeCapability: '8.0',
    multiprocessors: 108,
    pci: { busId: '', deviceId: 0x20b010de, subsystemId: 0x134710de, ...PCIE4 },
    memory: { totalBytes: 40 * GIB, reservedBytes: 583 * MIB },
    clocks: { maxGraphicsMhz: 1410, maxSmMhz: 1410, maxMemoryMhz: 1215 },
    powerLimits: powerLimits(400, 100),
    temperatureLimits: { slowdownCelsius: 89, shutdownCelsius: 92, memoryMaxCelsius: 95 },
    ecc: { enabled: true, pending: true },
    mig: { enabled: false, pending: false, instanceUuids: [] },
  },
  slots: slots('07', '0F', '47', '4E', '87', '90', 'B7', 'BD'),
  nvlink: {
    version: 3,
    links: 12,
    switches: [
      '00000000:01:00.0',
      '00000000:02:00.0',
      '00000000:03:00.0',
      '00000000:04:00.0',
      '00000000:05:00.0',
      '00000000:06:00.0',
    ],
  },
  idle: { powerMilliwatts: 72_000, temperatureCelsius: 33, graphicsMhz: 210 },
  busyCelsius: 66,
};

const h200x1: Profile = {
  device: {
    vendor: 'nvidia',
    model: 'NVIDIA H200',
    architecture: 'hopper',
    driverVersion: '580.159.03',
    cudaVersion: '13.0',
    computeCapability: '9.0',
    multiprocessors: 132,
    pci: { busId: '', deviceId: 0x233510de, subsystemId: 0x18be10de, ...PCIE5 },
    memory: { totalBytes: 143_771 * MIB, reservedBytes: 601 * MIB },
    clocks: { maxGraphicsMhz: 1980, maxSmMhz: 1980, maxMemoryMhz: 3201 },
    powerLimits: powerLimits(700, 200),
    temperatureLimits: { slowdownCelsius: 89, shutdownCelsius: 92, memoryMaxCelsius: 95 },
    ecc: { enabled: true, pending: true },
    mig: { enabled: false, pending: false, instanceUuids: [] },
  },
  slots: slots('1A'),
  idle: { powerMilliwatts: 76_000, temperatureCelsius: 31, graphicsMhz: 345 },
  busyCelsius: 66,
};

const l40sX4: Profile = {
  device: {
    vendor: 'nvidia',
    model: 'NVIDIA L40S',
    architecture: 'ada',
    boardPartNumber: '900-2G133-0020-000',
    vbiosVersion: '95.02.5C.00.03',
    driverVersion: '550.163.01',
    cudaVersion: '12.4',
    computeCapability: '8.9',
    multiprocessors: 142,
    pci: { busId: '', deviceId: 0x26b510de, subsystemId: 0x169710de, ...PCIE4 },
    memory: { totalBytes: 48 * GIB, reservedBytes: 512 * MIB },
    clocks: { maxGraphicsMhz: 2520, maxSmMhz: 2520, maxMemoryMhz: 10_001 },
    powerLimits: powerLimits(350, 100),
    ecc: { enabled: true, pending: true },
  },
  slots: slots('17', '31', 'B1', 'CA'),
  encodes: true,
  idle: { powerMilliwatts: 45_000, temperatureCelsius: 32, graphicsMhz: 210 },
  busyCelsius: 74,
};

const mi300xX8: Profile = {
  device: {
    vendor: 'amd',
    model: 'AMD Instinct MI300X OAM',
    architecture: 'cdna3',
    vbiosVersion: '113-M3000100-102',
    driverVersion: '6.10.5',
    multiprocessors: 304,
    pci: { busId: '', deviceId: 0x74a11002, subsystemId: 0x74a11002, ...PCIE5 },
    memory: { totalBytes: 196_592 * MIB },
    clocks: { maxGraphicsMhz: 2100, maxMemoryMhz: 1300 },
    powerLimits: powerLimits(750),
    ecc: { enabled: true, pending: true },
  },
  slots: slots('05', '26', '46', '65', '85', 'A6', 'C6', 'E5'),
  idle: { powerMilliwatts: 140_000, temperatureCelsius: 38, graphicsMhz: 132 },
  busyCelsius: 78,
};

/** Every profile by the name that an operator gives. */
export const PROFILES: ReadonlyMap<string, Profile> = new Map([
  ['dgx-h100', dgxH100],
  ['dgx-h100-mig', dgxH100Mig],
  ['dgx-a100', dgxA100],
  ['h200x1', h200x1],
  ['l40s-x4', l40sX4],
  ['mi300x-x8', mi300xX8],
]);
