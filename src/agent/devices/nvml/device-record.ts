// Fills the device record of one NVIDIA GPU.

import { present, presentOrNone, tolerate } from '../absence.ts';
import type { DeviceRecord } from '../record.ts';
import type { DeviceHandle, NvmlLibrary } from './library.ts';
import { type Mig, type MigInstance, readMig } from './mig.ts';

const MAX_NVLINKS = 18;

const architectures: Record<number, string> = {
  2: 'kepler',
  3: 'maxwell',
  4: 'pascal',
  5: 'volta',
  6: 'turing',
  7: 'ampere',
  8: 'ada',
  9: 'hopper',
  10: 'blackwell',
  13: 'rubin',
};

/** Reads all that the record holds; what the driver does not give, or fails to give, is absent. */
export function readDeviceRecord(nvml: NvmlLibrary, index: number, device: DeviceHandle): DeviceRecord {
  return {
    index,
    uuid: nvml.uuid(device),
    vendor: 'nvidia',
    ...present({
      serial: tolerate(() => nvml.serial(device)),
      model: tolerate(() => nvml.name(device)),
      architecture: tolerate(() => architectures[nvml.architecture(device) ?? -1]),
      boardPartNumber: tolerate(() => nvml.boardPartNumber(device)),
      vbiosVersion: tolerate(() => nvml.vbiosVersion(device)),
      driverVersion: tolerate(() => nvml.driverVersion()),
      cudaVersion: tolerate(() => readCudaVersion(nvml)),
      computeCapability: tolerate(() => nvml.computeCapability(device)?.join('.')),
      multiprocessors: tolerate(() => nvml.multiprocessors(device)),
      numaNode: tolerate(() => nvml.numaNode(device)),
      pci: readPci(nvml, device),
      memory: readMemory(nvml, device),
      clocks: readClocks(nvml, device),
      powerLimits: readPowerLimits(nvml, device),
      temperatureLimits: readTemperatureLimits(nvml, device),
      nvlinks: readNvlinks(nvml, device),
      ecc: tolerate(() => nvml.eccMode(device)),
      mig: migOf(readMig(nvml, device)),
    }),
  };
}

/** What a record says of MIG. */
export function migOf({ mode, instances }: Mig): DeviceRecord['mig'] {
  return mode && { ...mode, instanceUuids: instances.map(({ uuid }) => uuid) };
}

/** Reads what the record of a MIG instance holds. What it shares with its GPU is that of the GPU. */
export function readInstanceRecord(
  nvml: NvmlLibrary,
  index: number,
  device: DeviceHandle,
  { uuid, handle }: MigInstance,
): DeviceRecord {
  const model = tolerate(() => nvml.name(handle));
  const gpuInstance = tolerate(() => nvml.gpuInstanceId(handle));
  return {
    index,
    uuid,
    vendor: 'nvidia',
    parent: nvml.uuid(device),
    ...present({
      migInstance:
        gpuInstance === undefined
          ? undefined
          : {
              gpuInstance,
              ...present({
                computeInstance: tolerate(() => nvml.computeInstanceId(handle)),
                // The name of an instance is that of its GPU, "MIG", and the profile.
                profile: model?.match(/ MIG (\S+)$/)?.[1],
              }),
            },
      model,
      architecture: tolerate(() => architectures[nvml.architecture(device) ?? -1]),
      driverVersion: tolerate(() => nvml.driverVersion()),
      cudaVersion: tolerate(() => readCudaVersion(nvml)),
      computeCapability: tolerate(() => nvml.computeCapability(device)?.join('.')),
      multiprocessors: tolerate(() => nvml.multiprocessors(handle)),
      numaNode: tolerate(() => nvml.numaNode(device)),
      pci: readPci(nvml, device),
      memory: readMemory(nvml, handle),
      ecc: tolerate(() => nvml.eccMode(device)),
    }),
  };
}

function readCudaVersion(nvml: NvmlLibrary): string | undefined {
  const version = nvml.cudaVersion();
  return version === undefined ? undefined : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

function readPci(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['pci'] {
  const pci = tolerate(() => nvml.pci(device));
  if (pci?.busId === undefined) return undefined;
  return {
    busId: pci.busId,
    ...present({
      deviceId: pci.deviceId,
      subsystemId: pci.subsystemId,
      linkGeneration: tolerate(() => nvml.linkGeneration(device)),
      maxLinkGeneration: tolerate(() => nvml.maxLinkGeneration(device)),
      linkWidth: tolerate(() => nvml.linkWidth(device)),
      maxLinkWidth: tolerate(() => nvml.maxLinkWidth(device)),
    }),
  };
}

function readMemory(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['memory'] {
  const memory = tolerate(() => nvml.memory(device));
  if (memory?.totalBytes === undefined) return undefined;
  return { totalBytes: memory.totalBytes, ...present({ reservedBytes: memory.reservedBytes }) };
}

function readClocks(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['clocks'] {
  return presentOrNone({
    maxGraphicsMhz: tolerate(() => nvml.maxClock(device, 'graphics')),
    maxSmMhz: tolerate(() => nvml.maxClock(device, 'sm')),
    maxMemoryMhz: tolerate(() => nvml.maxClock(device, 'memory')),
  });
}

function readPowerLimits(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['powerLimits'] {
  const range = tolerate(() => nvml.powerLimitRange(device));
  return presentOrNone({
    enforcedMilliwatts: tolerate(() => nvml.enforcedPowerLimit(device)),
    defaultMilliwatts: tolerate(() => nvml.defaultPowerLimit(device)),
    minMilliwatts: range?.[0],
    maxMilliwatts: range?.[1],
  });
}

function readTemperatureLimits(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['temperatureLimits'] {
  return presentOrNone({
    slowdownCelsius: tolerate(() => nvml.temperatureThreshold(device, 'slowdown')),
    shutdownCelsius: tolerate(() => nvml.temperatureThreshold(device, 'shutdown')),
    memoryMaxCelsius: tolerate(() => nvml.temperatureThreshold(device, 'memoryMax')),
  });
}

function readNvlinks(nvml: NvmlLibrary, device: DeviceHandle): DeviceRecord['nvlinks'] {
  // A device answers for the links that it has; they need not be the first ones.
  const links = readActiveNvlinks(nvml, device).flatMap((active, link) =>
    active === undefined ? [] : [{ link, active, ...readNvlinkEnd(nvml, device, link) }],
  );
  return links.length === 0 ? undefined : links;
}

/** Which links are up; undefined for those that the device does not have. */
export function readActiveNvlinks(nvml: NvmlLibrary, device: DeviceHandle): (boolean | undefined)[] {
  return Array.from({ length: MAX_NVLINKS }, (_, link) => tolerate(() => nvml.nvlinkActive(device, link)));
}

function readNvlinkEnd(nvml: NvmlLibrary, device: DeviceHandle, link: number) {
  return present({
    version: tolerate(() => nvml.nvlinkVersion(device, link)),
    remoteBusId: tolerate(() => nvml.nvlinkRemoteBusId(device, link)),
  });
}
