// The GPUs that the kernel finds on the PCI bus, whatever their drivers say: an independent witness of what is there.
// What is listed comes from the kernel's memory; a link is read from the device itself (see host-files.ts).
import { present } from './absence.ts';
import type { HostFiles } from './host-files.ts';
import type { DeviceRecord } from './record.ts';

/** A PCI function that is a GPU, or a part of one. */
export interface PciFunction {
  /** As sysfs spells it, for instance `0000:3b:00.0`. */
  readonly busId: string;
  readonly vendor: DeviceRecord['vendor'];
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId?: number;
  readonly subsystemDeviceId?: number;
  /** Class, subclass and programming interface: `0x030200` is a 3D controller. */
  readonly classCode: number;
  readonly numaNode?: number;
  /** Absent where no driver is bound; `vfio-pci` where a virtual machine has the device. */
  readonly driver?: string;
  /** Whether it is a virtual function, a part of another one that is listed as well. */
  readonly isVirtual: boolean;
}

type PciLink = Pick<
  NonNullable<DeviceRecord['pci']>,
  'linkGeneration' | 'maxLinkGeneration' | 'linkWidth' | 'maxLinkWidth'
>;

const FOLDER = 'sys/bus/pci/devices';

const vendors: ReadonlyMap<number, PciFunction['vendor']> = new Map([
  [0x10de, 'nvidia'],
  [0x1002, 'amd'],
  [0x8086, 'intel'],
]);

/** Display controllers, co-processors, processing accelerators; by class or by class and subclass. */
const isGpuClass = (code: number) => code >> 16 === 0x03 || code >> 8 === 0x0b40 || code >> 16 === 0x12;

/** PCIe generations by what sysfs calls their speed, in GT/s. */
const generations: ReadonlyMap<string, number> = new Map([
  ['2.5', 1],
  ['5', 2],
  ['8', 3],
  ['16', 4],
  ['32', 5],
  ['64', 6],
]);
/** The widest link that PCIe has, in lanes; sysfs writes 255 where the device does not answer. */
const MAX_LANES = 32;

/** The PCI functions of GPUs, by address. */
export function listGpuFunctions(files: HostFiles): PciFunction[] {
  return files.names(FOLDER).flatMap((busId) => readFunction(files, busId) ?? []);
}

/** One of them; undefined where there is none at this address, or its files do not say that it is one. */
export function readFunction(files: HostFiles, busId: string): PciFunction | undefined {
  if (!/^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(busId)) return undefined;
  const integer = (name: string) => files.integer(`${FOLDER}/${busId}/${name}`);
  const classCode = integer('class');
  if (classCode === undefined || !isGpuClass(classCode)) return undefined;
  const vendorId = integer('vendor');
  const deviceId = integer('device');
  const vendor = vendors.get(vendorId ?? 0);
  if (vendorId === undefined || vendor === undefined || deviceId === undefined) return undefined;
  return {
    busId,
    vendor,
    vendorId,
    deviceId,
    classCode,
    isVirtual: files.exists(`${FOLDER}/${busId}/physfn`),
    ...present({
      subsystemVendorId: integer('subsystem_vendor'),
      subsystemDeviceId: integer('subsystem_device'),
      numaNode: integer('numa_node'),
      driver: files.linkName(`${FOLDER}/${busId}/driver`),
    }),
  };
}

/** How a function is connected, now and at most. */
export function readLink(files: HostFiles, busId: string): PciLink {
  const generation = (name: string) =>
    generations.get(/^(\d+(?:\.[1-9])?)(?:\.0)? GT\/s/.exec(files.line(`${FOLDER}/${busId}/${name}`) ?? '')?.[1] ?? '');
  const lanes = (name: string) => {
    const width = files.integer(`${FOLDER}/${busId}/${name}`);
    return width !== undefined && width > 0 && width <= MAX_LANES ? width : undefined;
  };
  return present({
    linkGeneration: generation('current_link_speed'),
    maxLinkGeneration: generation('max_link_speed'),
    linkWidth: lanes('current_link_width'),
    maxLinkWidth: lanes('max_link_width'),
  });
}

/** The address as sysfs spells it, of one as any driver does: `00000000:3B:00.0` is `0000:3b:00.0`. */
export function sysfsBusId(busId: string): string | undefined {
  const [, domain, rest] = /^([0-9a-f]{1,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(busId.toLowerCase()) ?? [];
  if (domain === undefined || rest === undefined) return undefined;
  return `${Number.parseInt(domain, 16).toString(16).padStart(4, '0')}:${rest}`;
}

/** The address as the device record has it, of one as sysfs spells it. */
export function recordBusId(busId: string): string {
  return busId.toUpperCase().padStart('00000000:00:00.0'.length, '0');
}
