// The device files of AMD and Intel GPUs, found by the address on the PCI bus.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineError, messageOf } from '../daemon/errors.ts';
import type { Device } from '../wire/gpubroker/device/v1/device_details.ts';

export const deviceFilesMissing = defineError(
  'GPUB_DEVICE_FILES_MISSING',
  (uuid: string, reason: string) => `the device files of ${uuid} cannot be found: ${reason}`,
  () => "Load the GPU's kernel driver, and give --host-root the host's root file system.",
);

/** The interface of AMD's compute driver, which all its GPUs share. */
const kfd = '/dev/kfd';

/**
 * The paths on the host, each once: the GPUs' own files below /dev/dri and, for AMD, that of the compute driver.
 *
 * @throws CodedError naming the first GPU that has none
 */
export function deviceFiles(devices: readonly Device[], hostRoot: string): string[] {
  const own = devices.flatMap((device) => drmFiles(device, hostRoot));
  const isAmd = devices.some(({ vendor }) => vendor === 'amd') && existsSync(join(hostRoot, kfd));
  return [...new Set([...own, ...(isAmd ? [kfd] : [])])];
}

function drmFiles({ uuid = '', pci }: Device, hostRoot: string): string[] {
  const address = sysfsAddress(pci?.busId ?? '');
  if (address === undefined) throw deviceFilesMissing(uuid, 'its place on the PCI bus is not known');
  const folder = join(hostRoot, 'sys/bus/pci/devices', address, 'drm');
  try {
    const names = readdirSync(folder).filter((name) => /^(?:card|renderD)\d{1,4}$/.test(name));
    if (names.length === 0) throw new Error(`${folder} names none`);
    return names.sort().map((name) => `/dev/dri/${name}`);
  } catch (error) {
    throw deviceFilesMissing(uuid, messageOf(error));
  }
}

/** `0000:3b:00.0`, for drivers write more digits and capitals; undefined where the text is no address. */
function sysfsAddress(busId: string): string | undefined {
  const [, domain = '', rest] = /^([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/.exec(busId.toLowerCase()) ?? [];
  return rest === undefined ? undefined : `${domain.replace(/^0{1,4}(?=[0-9a-f]{4}$)/, '')}:${rest}`;
}
