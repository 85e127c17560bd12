// The devices of this machine that compute, each by the best interface that it has.
import { type ComputeDevice, ComputeError, type ComputeInfo } from './compute.ts';
import { listCudaDevices } from './cuda/device.ts';
import { cudaPrograms, openClPrograms } from './kernels.ts';
import { listOpenClDevices } from './opencl/device.ts';

/** A device, not opened yet. */
export interface Listing {
  readonly info: ComputeInfo;
  open(): ComputeDevice;
}

/**
 * Lists them: those of CUDA, then those that OpenCL alone shows, GPUs first.
 *
 * @param driverRoot where a containerised driver of NVIDIA is mounted; empty for none
 * @throws ComputeError `absent` where there is neither library
 */
export function listComputeDevices(driverRoot = ''): Listing[] {
  const missing: string[] = [];
  const attempt = <Found>(list: () => Found[]): Found[] => {
    try {
      return list();
    } catch (error) {
      if (!(error instanceof ComputeError) || error.fault !== 'absent') throw error;
      missing.push(error.message);
      return [];
    }
  };
  const cuda = attempt(() => listCudaDevices(driverRoot));
  const openCl = attempt(listOpenClDevices);
  if (missing.length === 2) throw new ComputeError('absent', missing.join('; '));
  return [
    ...cuda.map(({ info, open }) => ({ info, open: () => open(cudaPrograms()) })),
    // NVIDIA's devices are there by both.
    ...openCl
      .filter(({ vendor }) => cuda.length === 0 || !/nvidia/i.test(vendor))
      .map(({ info, open }) => ({ info, open: () => open(openClPrograms()) })),
  ];
}
