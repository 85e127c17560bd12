// CUDA's devices as devices that compute.
import {
  type ComputeDevice,
  ComputeError,
  type ComputeInfo,
  type DeviceMemory,
  type Grid,
  type KernelArgument,
} from '../compute.ts';
import type { CudaLibrary, Handle } from './library.ts';
import { loadCuda } from './search.ts';

/** PTX of one program, for devices of at least this compute capability: 80 is 8.0. */
export interface Ptx {
  readonly leastCapability: number;
  readonly text: string;
}

/** A device as CUDA lists it, not opened yet. */
export interface CudaListing {
  readonly info: ComputeInfo;
  /** @param programs by name, each for several capabilities; the highest that the device has is taken */
  open(programs: Readonly<Record<string, readonly Ptx[]>>): ComputeDevice;
}

/**
 * Lists the devices.
 *
 * @param path of the driver's library; by default the system's
 * @throws ComputeError `absent` where there is no driver
 */
export function listCudaDevices(driverRoot: string): CudaListing[] {
  const library = loadCuda(driverRoot);
  return Array.from({ length: library.deviceCount() }, (_, index): CudaListing => {
    const device = library.device(index);
    const info = infoOf(library, device);
    return { info, open: (programs) => new CudaDevice(library, device, info, programs) };
  });
}

function infoOf(library: CudaLibrary, device: number): ComputeInfo {
  const version = library.driverVersion();
  const memoryBytes = library.totalMemory(device);
  return {
    backend: 'cuda',
    name: library.name(device),
    uuid: library.uuid(device),
    driverVersion: `CUDA ${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`,
    memoryBytes,
    maxAllocationBytes: memoryBytes,
    units: library.attribute(device, 'units'),
    maxGroupSize: library.attribute(device, 'maxGroupSize'),
    clockMhz: Math.round(library.attribute(device, 'clockKhz') / 1000) || undefined,
    isCpu: false,
  };
}

class CudaMemory implements DeviceMemory {
  readonly bytes: number;
  readonly handle: Handle;
  readonly #library: CudaLibrary;
  #isFree = false;

  constructor(library: CudaLibrary, bytes: number) {
    this.#library = library;
    this.bytes = bytes;
    this.handle = library.allocate(bytes);
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    this.#library.free(this.handle);
  }
}

class CudaDevice implements ComputeDevice {
  readonly info: ComputeInfo;
  readonly #library: CudaLibrary;
  readonly #programs: Readonly<Record<string, readonly Ptx[]>>;
  readonly #capability: number;
  readonly #context: Handle;
  readonly #modules = new Map<string, Handle>();
  readonly #kernels = new Map<string, Handle>();

  constructor(
    library: CudaLibrary,
    device: number,
    info: ComputeInfo,
    programs: Readonly<Record<string, readonly Ptx[]>>,
  ) {
    this.info = info;
    this.#library = library;
    this.#programs = programs;
    this.#capability = 10 * library.attribute(device, 'computeMajor') + library.attribute(device, 'computeMinor');
    this.#context = library.createContext(device);
  }

  allocate(bytes: number): DeviceMemory {
    return new CudaMemory(this.#library, bytes);
  }

  upload(from: Uint8Array, to: DeviceMemory, offset = 0): void {
    this.#library.write(handleOf(to), offset, from);
  }

  download(from: DeviceMemory, to: Uint8Array, offset = 0): void {
    this.#library.read(handleOf(from), offset, to);
  }

  launch(program: string, kernel: string, { groups, groupSize }: Grid, values: readonly KernelArgument[]): void {
    const given = values.map((value) => (typeof value === 'number' ? value : handleOf(value)));
    this.#library.launch(this.#kernel(program, kernel), groups, groupSize, given);
  }

  finish(): void {
    this.#library.synchronize();
  }

  close(): void {
    for (const module of this.#modules.values()) this.#library.unloadModule(module);
    this.#modules.clear();
    this.#kernels.clear();
    this.#library.destroyContext(this.#context);
  }

  #kernel(program: string, name: string): Handle {
    const key = `${program}/${name}`;
    const kernel = this.#kernels.get(key) ?? this.#library.kernel(this.#module(program), name);
    this.#kernels.set(key, kernel);
    return kernel;
  }

  #module(program: string): Handle {
    const fitting = (this.#programs[program] ?? []).filter(
      ({ leastCapability }) => leastCapability <= this.#capability,
    );
    const best = fitting.sort((a, b) => b.leastCapability - a.leastCapability)[0];
    if (!best)
      throw new ComputeError('unsupported', `there is no program ${program} for capability ${this.#capability}`);
    const module = this.#modules.get(program) ?? this.#library.loadModule(best.text);
    this.#modules.set(program, module);
    return module;
  }
}

function handleOf(memory: DeviceMemory): Handle {
  if (memory instanceof CudaMemory) return memory.handle;
  throw new ComputeError('failed', 'the memory is of another device');
}
