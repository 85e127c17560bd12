// The checks of a device's identity: each compares what the driver says with one witness. A check returns undefined where
// the question does not arise. What a GPU computes, and how fast, will be one more witness: a field of `Witnesses`, and a
// line in the list of checks.
import type { DeviceRecord } from '../devices/record.ts';
import { whyImpossible } from './driver-versions.ts';
import { compare, type Evidence } from './evidence.ts';
import { type KnownModel, knownModels, sharesBoard } from './models.ts';

/** Looks at one whole device; `others` are the other whole devices of the node. */
type Check = (device: DeviceRecord, others: readonly DeviceRecord[]) => Evidence | undefined;

/** How far memory may be from the table's figure: drivers keep some for themselves. */
const memoryTolerance = 0.08;

/** Everything that is asked about a device, in the order in which it is shown. */
const checks: readonly Check[] = [
  pciAddress,
  pciDeviceId,
  pciSubsystemId,
  modelById,
  memoryById,
  possibleDriver,
  moduleVersion,
  moduleModel,
  moduleUuid,
  moduleVbios,
  ownAddress,
  ownSerial,
];

/** What all witnesses say of a device; nothing of a MIG instance, which is what its parent is. */
export function examine(device: DeviceRecord, others: readonly DeviceRecord[]): Evidence[] {
  if (device.parent !== undefined) return [];
  return checks.flatMap((check) => check(device, others) ?? []);
}

/** A GPU that the PCI bus does not show is made up. */
function pciAddress({ pci, witnesses }: DeviceRecord): Evidence {
  const heard = witnesses?.pci;
  const said = pci && `a GPU at ${pci.busId}`;
  return compare('pci-address', 'sysfs', said, heard === undefined ? undefined : heard === 'no GPU' ? 'none' : said);
}

function pciDeviceId({ pci, witnesses }: DeviceRecord): Evidence {
  const heard = witnesses?.pci === 'no GPU' ? undefined : witnesses?.pci?.deviceId;
  return compare('pci-device-id', 'sysfs', hex(pci?.deviceId), hex(heard));
}

function pciSubsystemId({ pci, witnesses }: DeviceRecord): Evidence {
  const heard = witnesses?.pci === 'no GPU' ? undefined : witnesses?.pci?.subsystemId;
  return compare('pci-subsystem-id', 'sysfs', hex(pci?.subsystemId), hex(heard));
}

/** A renamed card keeps the id in its chip. */
function modelById(device: DeviceRecord): Evidence | undefined {
  const known = knownModel(device);
  if (!known || device.model === undefined) return undefined;
  const word = known.words.find((one) => new RegExp(`(^|[^A-Za-z0-9])${one}([^A-Za-z0-9]|$)`).test(device.model ?? ''));
  const heard = word === undefined ? known.words.join(' or ') : device.model;
  return compare('model', 'pci-id-table', device.model, heard);
}

/** A patched library may invent memory, but not that there are cards of the model with so much of it. */
function memoryById(device: DeviceRecord): Evidence | undefined {
  const known = knownModel(device);
  const bytes = device.memory?.totalBytes;
  if (!known || bytes === undefined) return undefined;
  const said = `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const fits = known.memoryGb.some((gib) => Math.abs(bytes / 2 ** 30 - gib) <= gib * memoryTolerance);
  return compare('memory', 'pci-id-table', said, fits ? said : `${known.memoryGb.join(' or ')} GiB`);
}

function possibleDriver({ vendor, driverVersion, architecture }: DeviceRecord): Evidence | undefined {
  if (vendor !== 'nvidia' || driverVersion === undefined) return undefined;
  const why = whyImpossible(driverVersion, architecture);
  const message = `the driver says ${driverVersion}${why === undefined ? '' : `: ${why}`}`;
  return {
    check: 'driver-version',
    witness: 'release-rules',
    verdict: why === undefined ? 'agrees' : 'disagrees',
    message,
  };
}

/** The library is loaded by programs, and easily replaced; the module is the kernel's. */
function moduleVersion({ vendor, driverVersion, witnesses }: DeviceRecord): Evidence | undefined {
  if (vendor !== 'nvidia') return undefined;
  return compare('driver-version', 'kernel-module', driverVersion, witnesses?.kernelModule?.version);
}

function moduleModel(device: DeviceRecord): Evidence | undefined {
  return fromModule(device, 'model', device.model, (gpu) => gpu.model);
}

function moduleUuid(device: DeviceRecord): Evidence | undefined {
  return fromModule(device, 'uuid', device.uuid, (gpu) => gpu.uuid);
}

function moduleVbios(device: DeviceRecord): Evidence | undefined {
  return fromModule(device, 'vbios-version', device.vbiosVersion, (gpu) => gpu.vbiosVersion);
}

type ModuleGpu = Exclude<
  NonNullable<NonNullable<DeviceRecord['witnesses']>['kernelModule']>['gpu'],
  string | undefined
>;

function fromModule(
  { vendor, witnesses }: DeviceRecord,
  check: string,
  said: string | undefined,
  heard: (gpu: ModuleGpu) => string | undefined,
): Evidence | undefined {
  if (vendor !== 'nvidia') return undefined;
  const gpu = witnesses?.kernelModule?.gpu;
  if (gpu === 'not listed') return compare(check, 'kernel-module', said ?? 'a GPU', 'no such GPU');
  return compare(check, 'kernel-module', said, gpu && heard(gpu));
}

/** One card may pose as several. */
function ownAddress({ pci }: DeviceRecord, others: readonly DeviceRecord[]): Evidence | undefined {
  if (pci === undefined) return undefined;
  const twins = others.filter((other) => other.pci?.busId.toLowerCase() === pci.busId.toLowerCase());
  return alone('pci-address', pci.busId, twins);
}

function ownSerial(device: DeviceRecord, others: readonly DeviceRecord[]): Evidence | undefined {
  const { serial, vendor, model = '' } = device;
  if (serial === undefined || sharesBoard.test(model)) return undefined;
  return alone(
    'serial',
    serial,
    others.filter((other) => other.serial === serial && other.vendor === vendor),
  );
}

function alone(check: string, said: string, twins: readonly DeviceRecord[]): Evidence {
  const verdict = twins.length === 0 ? 'agrees' : 'disagrees';
  const who =
    twins.length === 0
      ? 'no other GPU says so'
      : `so does ${twins
          .map(({ uuid }) => uuid)
          .slice(0, 3)
          .join(', ')}`;
  const more = twins.length > 3 ? ` and ${twins.length - 3} more` : '';
  return { check, witness: 'other-gpus', verdict, message: `the driver says ${said}; ${who}${more}` };
}

/** By the id that the bus shows, for the driver's may be patched. */
function knownModel({ pci, witnesses }: DeviceRecord): KnownModel | undefined {
  const shown = witnesses?.pci === 'no GPU' ? undefined : witnesses?.pci?.deviceId;
  return knownModels.get(shown ?? pci?.deviceId ?? 0);
}

function hex(id: number | undefined): string | undefined {
  return id === undefined ? undefined : `0x${id.toString(16).toUpperCase().padStart(8, '0')}`;
}
