// What others than the driver's own library say of a device. Read in the probe process, beside the record: the files of
// NVIDIA's kernel module may block as the driver does. Touches the one device alone.
import { present, presentOrNone } from './absence.ts';
import type { HostFiles } from './host-files.ts';
import { readFunction, sysfsBusId } from './pci.ts';
import type { DeviceRecord, Witnesses } from './record.ts';

const PCI_FOLDER = 'sys/bus/pci/devices';
const MODULE_FOLDER = 'proc/driver/nvidia';

/** All that can be heard of a whole device; undefined where nothing can. */
export function readWitnesses(files: HostFiles, record: DeviceRecord): Witnesses | undefined {
  const busId = sysfsBusId(record.pci?.busId ?? '');
  if (busId === undefined || record.parent !== undefined) return undefined;
  return presentOrNone({
    pci: readPci(files, busId),
    kernelModule: record.vendor === 'nvidia' ? readModule(files, busId) : undefined,
  });
}

function readPci(files: HostFiles, busId: string): Witnesses['pci'] {
  if (files.names(PCI_FOLDER).length === 0) return undefined;
  const found = readFunction(files, busId);
  if (!found) return 'no GPU';
  const { deviceId, vendorId, subsystemDeviceId: subsystem, subsystemVendorId: maker } = found;
  const subsystemId = subsystem === undefined || maker === undefined ? undefined : subsystem * 0x10000 + maker;
  return { deviceId: deviceId * 0x10000 + vendorId, ...present({ subsystemId }) };
}

function readModule(files: HostFiles, busId: string): Witnesses['kernelModule'] {
  const said = files.lines(`${MODULE_FOLDER}/version`)?.find((line) => line.startsWith('NVRM version:'));
  return presentOrNone({
    version: said?.match(/ (\d+\.\d+(?:\.\d+)*)(?= |$)/)?.[1] ?? files.line('sys/module/nvidia/version'),
    gpu: readModuleGpu(files, busId),
  });
}

function readModuleGpu(files: HostFiles, busId: string): NonNullable<Witnesses['kernelModule']>['gpu'] {
  if (files.names(`${MODULE_FOLDER}/gpus`).length === 0) return undefined;
  if (!files.exists(`${MODULE_FOLDER}/gpus/${busId}`)) return 'not listed';
  const lines = files.lines(`${MODULE_FOLDER}/gpus/${busId}/information`) ?? [];
  const value = (name: string) => {
    const found = lines
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
    // Question marks stand for what the module does not know as long as nobody uses the GPU.
    return found === undefined || found === '' || found.includes('??') ? undefined : found.slice(0, 256);
  };
  return present({ model: value('Model'), uuid: value('GPU UUID'), vbiosVersion: value('Video BIOS') });
}
