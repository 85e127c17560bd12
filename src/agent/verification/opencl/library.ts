// OpenCL's loader, called through koffi. The rules of this boundary:
//
// - Types outside, pointers inside: what leaves this file is plain values, and handles that only this file can use.
// - A failure is a ComputeError whose message names the function and OpenCL's code.
// - Memory that the library writes to is a Buffer of ours, passed as `void *`; sizes are those of 64-bit machines.
// - Calls are synchronous and may block for ever; they belong in the measuring process.
import koffi, { type LibraryHandle } from 'koffi';
import { ComputeError, type ComputeFault } from '../compute.ts';

/** A platform, device, context, queue, program, kernel or piece of memory, as long as the library is open. */
export type Handle = bigint & { readonly kind: 'opencl' };

const handle = 'uintptr';
const pointer = 'void *';
const u32 = 'uint32';
const i32 = 'int32';
const size = 'size_t';
const bits = 'uint64';

/** Results and parameters; a result `handle` means that the code is written to the last parameter. */
const signatures = {
  clGetPlatformIDs: [i32, u32, pointer, pointer],
  clGetDeviceIDs: [i32, handle, bits, u32, pointer, pointer],
  clGetDeviceInfo: [i32, handle, u32, size, pointer, pointer],
  clCreateContext: [handle, pointer, u32, pointer, pointer, pointer, pointer],
  clReleaseContext: [i32, handle],
  clCreateCommandQueue: [handle, handle, handle, bits, pointer],
  clReleaseCommandQueue: [i32, handle],
  clCreateProgramWithSource: [handle, handle, u32, pointer, pointer, pointer],
  clBuildProgram: [i32, handle, u32, pointer, 'str', pointer, pointer],
  clGetProgramBuildInfo: [i32, handle, handle, u32, size, pointer, pointer],
  clReleaseProgram: [i32, handle],
  clCreateKernel: [handle, handle, 'str', pointer],
  clSetKernelArg: [i32, handle, u32, size, pointer],
  clReleaseKernel: [i32, handle],
  clCreateBuffer: [handle, handle, bits, size, pointer, pointer],
  clReleaseMemObject: [i32, handle],
  clEnqueueNDRangeKernel: [i32, handle, handle, u32, pointer, pointer, pointer, u32, pointer, pointer],
  clEnqueueReadBuffer: [i32, handle, handle, u32, size, size, pointer, u32, pointer, pointer],
  clEnqueueWriteBuffer: [i32, handle, handle, u32, size, size, pointer, u32, pointer, pointer],
  clFinish: [i32, handle],
} as const;

type FunctionName = keyof typeof signatures;
type Argument = number | bigint | string | Uint8Array | BigUint64Array | null;
type Call = (...values: Argument[]) => number | bigint;

const names: Record<number, string> = {
  [-1]: 'DEVICE_NOT_FOUND',
  [-2]: 'DEVICE_NOT_AVAILABLE',
  [-4]: 'MEM_OBJECT_ALLOCATION_FAILURE',
  [-5]: 'OUT_OF_RESOURCES',
  [-6]: 'OUT_OF_HOST_MEMORY',
  [-11]: 'BUILD_PROGRAM_FAILURE',
  [-30]: 'INVALID_VALUE',
  [-54]: 'INVALID_WORK_GROUP_SIZE',
  [-61]: 'INVALID_BUFFER_SIZE',
  [-1001]: 'PLATFORM_NOT_FOUND',
};
const faults: Record<number, ComputeFault> = {
  [-1]: 'absent',
  [-2]: 'absent',
  [-4]: 'out-of-memory',
  [-5]: 'out-of-memory',
  [-6]: 'out-of-memory',
  [-54]: 'unsupported',
  [-61]: 'out-of-memory',
  [-1001]: 'absent',
};

const DEVICE_NOT_FOUND = -1;
/** What loaders answer where no driver is installed: there is no platform. */
const PLATFORM_NOT_FOUND = -1001;
const INVALID_KERNEL_NAME = -46;
const ALL_DEVICES = 0xffffffff;
const BUILD_LOG = 0x1183;
const READ_WRITE = 1;
const MAX_HANDLES = 256;
/** Characters of a compiler's complaint. */
const MAX_LOG = 2_000;

/** Names of `cl_device_info`. */
export const deviceInfo = {
  type: 0x1000,
  computeUnits: 0x1002,
  maxGroupSize: 0x1004,
  clockMhz: 0x100c,
  maxAllocationBytes: 0x1010,
  memoryBytes: 0x101f,
  name: 0x102b,
  vendor: 0x102c,
  driverVersion: 0x102d,
  extensions: 0x1030,
  /** Of cl_khr_device_uuid: 16 bytes. */
  uuid: 0x106a,
  /** Of cl_khr_pci_bus_info: domain, bus, device and function, 32 bits each. */
  pciBusInfo: 0x410f,
  /** Of cl_amd_device_attribute_query: 24 bytes, in whose last three bus, device and function stand. */
  topologyAmd: 0x4037,
} as const;

/** OpenCL, loaded. */
export class OpenClLibrary {
  readonly #library: LibraryHandle;
  readonly #bound = new Map<FunctionName, Call>();
  readonly #code = Buffer.alloc(4);

  /** @throws ComputeError `absent` when it cannot be loaded or lacks a function */
  constructor(path = 'libOpenCL.so.1') {
    try {
      this.#library = koffi.load(path);
      for (const [name, [result, ...parameters]] of Object.entries(signatures)) {
        this.#bound.set(name as FunctionName, this.#library.func(name, result, [...parameters]));
      }
    } catch (error) {
      throw new ComputeError('absent', `${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Every device of every platform. */
  devices(): Handle[] {
    const platforms = this.#handles('clGetPlatformIDs', [], PLATFORM_NOT_FOUND);
    return platforms.flatMap((one) => this.#handles('clGetDeviceIDs', [one, ALL_DEVICES], DEVICE_NOT_FOUND));
  }

  /** A text that the device says of itself. */
  text(device: Handle, name: number): string {
    const text = Buffer.alloc(16_384);
    this.#require('clGetDeviceInfo', device, name, text.length, text, null);
    return text.toString('utf8', 0, text.indexOf(0)).trim();
  }

  /** A number that the device says of itself: of 32 or 64 bits, whatever is written. */
  number(device: Handle, name: number): number {
    const value = Buffer.alloc(8);
    this.#require('clGetDeviceInfo', device, name, value.length, value, null);
    return Number(value.readBigUInt64LE());
  }

  /** Bytes that the device says of itself; undefined where it says others, or none. */
  bytes(device: Handle, name: number, length: number): Buffer | undefined {
    const value = Buffer.alloc(length);
    const size = Buffer.alloc(8);
    const code = Number(this.#call('clGetDeviceInfo', device, name, length, value, size));
    return code === 0 && size.readBigUInt64LE() === BigInt(length) ? value : undefined;
  }

  createContext(device: Handle): Handle {
    return this.#create('clCreateContext', null, 1, BigUint64Array.of(device), null, null);
  }

  /** A queue that does one thing after the other. */
  createQueue(context: Handle, device: Handle): Handle {
    return this.#create('clCreateCommandQueue', context, device, 0);
  }

  /** @throws ComputeError with what the compiler says */
  buildProgram(context: Handle, device: Handle, source: string, options: string): Handle {
    const text = Buffer.from(`${source}\0`);
    const texts = BigUint64Array.of(koffi.address(text));
    const program = this.#create('clCreateProgramWithSource', context, 1, texts, null);
    const code = this.#call('clBuildProgram', program, 1, BigUint64Array.of(device), options, null, null);
    if (code === 0) return program;
    const log = Buffer.alloc(MAX_LOG);
    this.#call('clGetProgramBuildInfo', program, device, BUILD_LOG, log.length, log, null);
    this.release('clReleaseProgram', program);
    const said = log.toString('utf8', 0, Math.max(log.indexOf(0), 0)).trim();
    throw new ComputeError('failed', `${describe('clBuildProgram', Number(code))}: ${said}`);
  }

  /** @throws ComputeError `unsupported` where the program has no such kernel for this device */
  createKernel(program: Handle, name: string): Handle {
    this.#code.writeInt32LE(0);
    const kernel = this.#call('clCreateKernel', program, name, this.#code);
    const code = this.#code.readInt32LE();
    if (code === INVALID_KERNEL_NAME) throw new ComputeError('unsupported', `the device cannot do ${name}`);
    accept('clCreateKernel', code);
    return BigInt(kernel) as Handle;
  }

  createBuffer(context: Handle, bytes: number): Handle {
    return this.#create('clCreateBuffer', context, READ_WRITE, bytes, null);
  }

  setMemory(kernel: Handle, index: number, memory: Handle): void {
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(memory);
    this.#require('clSetKernelArg', kernel, index, value.length, value);
  }

  /** A 32-bit integer, signed or not. */
  setNumber(kernel: Handle, index: number, number: number): void {
    const value = Buffer.alloc(4);
    value.writeInt32LE(number | 0);
    this.#require('clSetKernelArg', kernel, index, value.length, value);
  }

  launch(queue: Handle, kernel: Handle, items: number, groupSize: number): void {
    const [global, local] = [BigUint64Array.of(BigInt(items)), BigUint64Array.of(BigInt(groupSize))];
    this.#require('clEnqueueNDRangeKernel', queue, kernel, 1, null, global, local, 0, null, null);
  }

  /** Returns when the bytes are there. */
  read(queue: Handle, memory: Handle, offset: number, into: Uint8Array): void {
    this.#require('clEnqueueReadBuffer', queue, memory, 1, offset, into.length, into, 0, null, null);
  }

  /** Returns when the bytes are there. */
  write(queue: Handle, memory: Handle, offset: number, from: Uint8Array): void {
    this.#require('clEnqueueWriteBuffer', queue, memory, 1, offset, from.length, from, 0, null, null);
  }

  finish(queue: Handle): void {
    this.#require('clFinish', queue);
  }

  release(name: Extract<FunctionName, `clRelease${string}`>, object: Handle): void {
    this.#require(name, object);
  }

  /** A list of handles: as many as there are, {@link MAX_HANDLES} at most. */
  #handles(name: FunctionName, about: Argument[], none: number): Handle[] {
    const handles = new BigUint64Array(MAX_HANDLES);
    const count = Buffer.alloc(4);
    const code = Number(this.#call(name, ...about, MAX_HANDLES, handles, count));
    if (code === none) return [];
    accept(name, code);
    return [...handles.subarray(0, Math.min(count.readUInt32LE(), MAX_HANDLES))] as Handle[];
  }

  #create(name: FunctionName, ...values: Argument[]): Handle {
    this.#code.writeInt32LE(0);
    const made = this.#call(name, ...values, this.#code);
    accept(name, this.#code.readInt32LE());
    return BigInt(made) as Handle;
  }

  #require(name: FunctionName, ...values: Argument[]): void {
    accept(name, Number(this.#call(name, ...values)));
  }

  #call(name: FunctionName, ...values: Argument[]): number | bigint {
    return (this.#bound.get(name) as Call)(...values);
  }
}

function accept(name: string, code: number): void {
  if (code !== 0) throw new ComputeError(faults[code] ?? 'failed', describe(name, code));
}

function describe(name: string, code: number): string {
  return `${name} returned ${code} (${names[code] ?? 'see cl.h'})`;
}
