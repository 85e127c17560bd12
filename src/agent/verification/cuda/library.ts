// CUDA's driver library, called through koffi: no toolkit is needed on a node. The rules of this boundary:
//
// - Types outside, pointers inside: what leaves this file is plain values, and handles that only this file can use.
// - A failure is a ComputeError whose message names the function and CUDA's code.
// - Memory that the library writes to is a Buffer of ours, passed as `void *`; sizes are those of 64-bit machines.
// - Symbols have the suffix under which the driver exports the present form of a function.
// - Calls are synchronous, belong to one thread, and may block for ever: they belong in the measuring process.
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { ComputeError, type ComputeFault, gpuUuid } from '../compute.ts';

/** A context, module, function or piece of memory, as long as the library is open. */
export type Handle = bigint & { readonly kind: 'cuda' };

const handle = 'uintptr';
const pointer = 'void *';
const i32 = 'int32';
const u32 = 'uint32';
const size = 'size_t';

const signatures = {
  cuInit: [u32],
  cuDriverGetVersion: [pointer],
  cuDeviceGetCount: [pointer],
  cuDeviceGet: [pointer, i32],
  cuDeviceGetName: [pointer, i32, i32],
  cuDeviceGetUuid_v2: [pointer, i32],
  cuDeviceGetAttribute: [pointer, i32, i32],
  cuDeviceTotalMem_v2: [pointer, i32],
  cuCtxCreate_v2: [pointer, u32, i32],
  cuCtxDestroy_v2: [handle],
  cuCtxSynchronize: [],
  cuModuleLoadDataEx: [pointer, pointer, u32, pointer, pointer],
  cuModuleUnload: [handle],
  cuModuleGetFunction: [pointer, handle, 'str'],
  cuMemAlloc_v2: [pointer, size],
  cuMemFree_v2: [handle],
  cuMemcpyHtoD_v2: [handle, pointer, size],
  cuMemcpyDtoH_v2: [pointer, handle, size],
  cuLaunchKernel: [handle, u32, u32, u32, u32, u32, u32, u32, handle, pointer, pointer],
} as const;

type FunctionName = keyof typeof signatures;
type Argument = number | bigint | string | Uint8Array | BigUint64Array | null;
type Call = (...values: Argument[]) => number;

const names: Record<number, string> = {
  1: 'INVALID_VALUE',
  2: 'OUT_OF_MEMORY',
  3: 'NOT_INITIALIZED',
  100: 'NO_DEVICE',
  101: 'INVALID_DEVICE',
  200: 'INVALID_IMAGE',
  201: 'INVALID_CONTEXT',
  209: 'NO_BINARY_FOR_GPU',
  214: 'ECC_UNCORRECTABLE',
  218: 'INVALID_PTX',
  222: 'UNSUPPORTED_PTX_VERSION',
  500: 'NOT_FOUND',
  700: 'ILLEGAL_ADDRESS',
  702: 'LAUNCH_TIMEOUT',
  719: 'LAUNCH_FAILED',
  803: 'SYSTEM_DRIVER_MISMATCH',
};
const faults: Record<number, ComputeFault> = {
  2: 'out-of-memory',
  3: 'absent',
  100: 'absent',
  101: 'absent',
  209: 'unsupported',
  222: 'unsupported',
  500: 'unsupported',
  803: 'absent',
};

const NO_DEVICE = 100;
const NAME_ROOM = 256;
/** Characters of what the compiler in the driver complains of. */
const MAX_LOG = 2_000;
/** CU_JIT_ERROR_LOG_BUFFER and CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES. */
const jitOptions = [5, 6];

/** Names of `CUdevice_attribute`. */
export const attributes = {
  maxGroupSize: 1,
  clockKhz: 13,
  units: 16,
  computeMajor: 75,
  computeMinor: 76,
} as const;

/** The driver's library, loaded. */
export class CudaLibrary {
  readonly #library: LibraryHandle;
  readonly #bound = new Map<FunctionName, Call>();
  readonly #number = Buffer.alloc(8);

  /** @throws ComputeError `absent` when it cannot be loaded, lacks a function, or finds no driver */
  constructor(path: string) {
    try {
      loadCompiler(path);
      this.#library = koffi.load(path);
      for (const [name, parameters] of Object.entries(signatures)) {
        this.#bound.set(name as FunctionName, this.#library.func(name, i32, [...parameters]));
      }
    } catch (error) {
      throw new ComputeError('absent', `${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** How many devices there are; connects to the driver. */
  deviceCount(): number {
    const code = this.#call('cuInit', 0);
    if (code === NO_DEVICE) return 0;
    accept('cuInit', code);
    this.#require('cuDeviceGetCount', this.#number);
    return this.#number.readInt32LE();
  }

  /** As CUDA packs it: 13000 is 13.0. */
  driverVersion(): number {
    this.#require('cuDriverGetVersion', this.#number);
    return this.#number.readInt32LE();
  }

  device(index: number): number {
    this.#require('cuDeviceGet', this.#number, index);
    return this.#number.readInt32LE();
  }

  name(device: number): string {
    const text = Buffer.alloc(NAME_ROOM);
    this.#require('cuDeviceGetName', text, NAME_ROOM, device);
    return text.toString('utf8', 0, text.indexOf(0));
  }

  /** In the spelling of NVML. */
  uuid(device: number): string {
    const bytes = Buffer.alloc(16);
    this.#require('cuDeviceGetUuid_v2', bytes, device);
    return gpuUuid(bytes);
  }

  attribute(device: number, name: keyof typeof attributes): number {
    this.#require('cuDeviceGetAttribute', this.#number, attributes[name], device);
    return this.#number.readInt32LE();
  }

  totalMemory(device: number): number {
    this.#require('cuDeviceTotalMem_v2', this.#number, device);
    return Number(this.#number.readBigUInt64LE());
  }

  /** A context, current on this thread. */
  createContext(device: number): Handle {
    return this.#create('cuCtxCreate_v2', 0, device);
  }

  destroyContext(context: Handle): void {
    this.#require('cuCtxDestroy_v2', context);
  }

  synchronize(): void {
    this.#require('cuCtxSynchronize');
  }

  /** @throws ComputeError with what the compiler in the driver says */
  loadModule(ptx: string): Handle {
    const text = Buffer.from(`${ptx}\0`);
    const log = Buffer.alloc(MAX_LOG);
    const options = Buffer.alloc(8);
    for (const [index, option] of jitOptions.entries()) options.writeInt32LE(option, index * 4);
    // Values of options stand where pointers would.
    const values = BigUint64Array.of(koffi.address(log), BigInt(MAX_LOG));
    const code = this.#call('cuModuleLoadDataEx', this.#number, text, jitOptions.length, options, values);
    if (code === 0) return this.#number.readBigUInt64LE() as Handle;
    const said = log.toString('utf8', 0, Math.max(log.indexOf(0), 0)).trim();
    throw new ComputeError(faults[code] ?? 'failed', `${describe('cuModuleLoadDataEx', code)}: ${said}`);
  }

  unloadModule(module: Handle): void {
    this.#require('cuModuleUnload', module);
  }

  /** @throws ComputeError `unsupported` where the module has no such kernel */
  kernel(module: Handle, name: string): Handle {
    return this.#create('cuModuleGetFunction', module, name);
  }

  allocate(bytes: number): Handle {
    return this.#create('cuMemAlloc_v2', bytes);
  }

  free(memory: Handle): void {
    this.#require('cuMemFree_v2', memory);
  }

  /** Returns when the bytes are there. */
  write(memory: Handle, offset: number, from: Uint8Array): void {
    this.#require('cuMemcpyHtoD_v2', memory + BigInt(offset), from, from.length);
  }

  /** Returns when the bytes are there; what was launched before is done first. */
  read(memory: Handle, offset: number, into: Uint8Array): void {
    this.#require('cuMemcpyDtoH_v2', into, memory + BigInt(offset), into.length);
  }

  /** @param values 32-bit integers, and memory */
  launch(kernel: Handle, groups: number, groupSize: number, values: readonly (number | Handle)[]): void {
    const words = Buffer.alloc(values.length * 8);
    for (const [index, value] of values.entries()) {
      if (typeof value === 'number') words.writeInt32LE(value | 0, index * 8);
      else words.writeBigUInt64LE(value, index * 8);
    }
    const start = koffi.address(words);
    const places = BigUint64Array.from(values, (_, index) => start + BigInt(index * 8));
    this.#require('cuLaunchKernel', kernel, groups, 1, 1, groupSize, 1, 1, 0, 0, places, null);
  }

  #create(name: FunctionName, ...values: Argument[]): Handle {
    this.#require(name, this.#number, ...values);
    return this.#number.readBigUInt64LE() as Handle;
  }

  #require(name: FunctionName, ...values: Argument[]): void {
    accept(name, this.#call(name, ...values));
  }

  #call(name: FunctionName, ...values: Argument[]): number {
    return (this.#bound.get(name) as Call)(...values);
  }
}

/**
 * The compiler of PTX, which the driver looks for by its name alone: out of a folder that the system's loader does not
 * know, it is found if it is there already.
 */
function loadCompiler(path: string): void {
  const compiler = join(dirname(path), 'libnvidia-ptxjitcompiler.so.1');
  if (!isAbsolute(path) || !existsSync(compiler)) return;
  try {
    koffi.load(compiler);
  } catch (error) {
    throw new Error(`${compiler}: ${error instanceof Error ? error.message : error}`);
  }
}

function accept(name: string, code: number): void {
  if (code !== 0) throw new ComputeError(faults[code] ?? 'failed', describe(name, code));
}

function describe(name: string, code: number): string {
  return `${name} returned ${code} (${names[code] ?? 'see cuda.h'})`;
}
