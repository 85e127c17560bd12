// Finds the NVML library: at the given path, or by its name through the system's loader and under the driver root.
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { driverFolders } from '../../driver-folders.ts';
import { DeviceError } from '../source.ts';
import { NvmlLibrary } from './library.ts';

/** Where to look for the library. */
export interface SearchOptions {
  /**
   * The library's path, and nothing else is tried; or its bare name, looked for by the system's loader and then under
   * the driver root. Default `libnvidia-ml.so.1`.
   */
  library?: string | undefined;
  /** The folder under which the driver's files lie, as a container mounts them; default `/`. */
  driverRoot?: string | undefined;
}

/**
 * Loads the first usable library.
 *
 * @throws `driver-gone` with a message that lists all that was tried, and why each would not do
 */
export function loadNvml(options: SearchOptions): NvmlLibrary {
  const attempts: string[] = [];
  for (const path of candidates(options)) {
    if (isAbsolute(path) && !existsSync(path)) {
      attempts.push(`${path}: no such file`);
      continue;
    }
    try {
      return new NvmlLibrary(path);
    } catch (error) {
      attempts.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new DeviceError('driver-gone', `no NVML library could be loaded; tried ${attempts.join('; ')}`);
}

function candidates({ library = 'libnvidia-ml.so.1', driverRoot = '/' }: SearchOptions): string[] {
  if (library.includes('/')) return [library];
  return [library, ...driverFolders.map((folder) => join(driverRoot, folder, library))];
}
