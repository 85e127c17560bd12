// Finds CUDA's driver library: through the system's loader, or under the root where a containerised driver is mounted.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { driverFolders } from '../../driver-folders.ts';
import { ComputeError } from '../compute.ts';
import { CudaLibrary } from './library.ts';

/**
 * Loads the first that can be used.
 *
 * @param driverRoot empty for none
 * @param name of the library
 * @throws ComputeError `absent`, naming all that was tried
 */
export function loadCuda(driverRoot: string, name = 'libcuda.so.1'): CudaLibrary {
  const places =
    driverRoot === '' ? [] : driverFolders.map((folder) => join(driverRoot, folder, name)).filter(existsSync);
  const failures: string[] = [];
  for (const path of [name, ...places]) {
    try {
      return new CudaLibrary(path);
    } catch (error) {
      if (!(error instanceof ComputeError)) throw error;
      failures.push(error.message);
    }
  }
  throw new ComputeError('absent', failures.join('; '));
}
