// OpenCL's devices as devices that compute.
import {
  type ComputeDevice,
  ComputeError,
  type ComputeInfo,
  type DeviceMemory,
  type Grid,
  gpuUuid,
  type KernelArgument,
} from '../compute.ts';
import { deviceInfo, type Handle, OpenClLibrary } from './library.ts';

const CPU = 2;
/** The kind of topology that AMD's driver describes. */
const PCIE = 1;

/** A device as OpenCL lists it, not opened yet. */
export interface OpenClListing {
  readonly info: ComputeInfo;
  /** For instance "NVIDIA Corporation". */
  readonly vendor: string;
  /** @param programs in OpenCL C, by name; each is compiled when a kernel of it is first launched */
  open(programs: Readonly<Record<string, string>>): ComputeDevice;
}

/**
 * Lists the devices, the GPUs first.
 *
 * @param path of the loader; by default the system's
 * @throws ComputeError `absent` where there is no loader
 */
export function listOpenClDevices(path?: string): OpenClListing[] {
  const library = new OpenClLibrary(path);
  const listings = library.devices().map((device): OpenClListing => {
    const vendor = library.text(device, deviceInfo.vendor);
    const info = infoOf(library, device, vendor);
    return { info, vendor, open: (programs) => new OpenClDevice(library, device, info, programs) };
  });
  return listings.sort((a, b) => Number(a.info.isCpu) - Number(b.info.isCpu));
}

function infoOf(library: OpenClLibrary, device: Handle, vendor: string): ComputeInfo {
  const number = (name: keyof typeof deviceInfo) => library.number(device, deviceInfo[name]);
  return {
    backend: 'opencl',
    name: library.text(device, deviceInfo.name),
    ...identityOf(vendor, library.text(device, deviceInfo.extensions).split(' '), (name, length) =>
      library.bytes(device, name, length),
    ),
    driverVersion: library.text(device, deviceInfo.driverVersion),
    memoryBytes: number('memoryBytes'),
    maxAllocationBytes: number('maxAllocationBytes'),
    units: number('computeUnits'),
    maxGroupSize: number('maxGroupSize'),
    clockMhz: number('clockMhz') || undefined,
    isCpu: (number('type') & CPU) !== 0,
  };
}

/**
 * Which GPU it is, as far as its driver says: NVIDIA's by the uuid that NVML has too, others by their place on the PCI bus.
 *
 * @param bytes of the device's information by name, of exactly that length
 */
export function identityOf(
  vendor: string,
  extensions: readonly string[],
  bytes: (name: number, length: number) => Buffer | undefined,
): Pick<ComputeInfo, 'uuid' | 'pciBusId'> {
  const has = (extension: string) => extensions.includes(extension);
  if (/nvidia/i.test(vendor) && has('cl_khr_device_uuid')) {
    const uuid = bytes(deviceInfo.uuid, 16);
    return uuid ? { uuid: gpuUuid(uuid) } : {};
  }
  const place = has('cl_khr_pci_bus_info') ? bytes(deviceInfo.pciBusInfo, 16) : undefined;
  if (place) return { pciBusId: busId(place.readUInt32LE(), place[4], place[8], place[12]) };
  const topology = has('cl_amd_device_attribute_query') ? bytes(deviceInfo.topologyAmd, 24) : undefined;
  // It has no domain: all of one machine are in the first, but for very large ones.
  return topology?.readUInt32LE() === PCIE ? { pciBusId: busId(0, topology[21], topology[22], topology[23]) } : {};
}

function busId(domain: number, bus = 0, device = 0, part = 0): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${part}`;
}

class OpenClMemory implements DeviceMemory {
  readonly bytes: number;
  readonly handle: Handle;
  readonly #library: OpenClLibrary;
  #isFree = false;

  constructor(library: OpenClLibrary, context: Handle, bytes: number) {
    this.#library = library;
    this.bytes = bytes;
    this.handle = library.createBuffer(context, bytes);
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    this.#library.release('clReleaseMemObject', this.handle);
  }
}

class OpenClDevice implements ComputeDevice {
  readonly info: ComputeInfo;
  readonly #library: OpenClLibrary;
  readonly #device: Handle;
  readonly #sources: Readonly<Record<string, string>>;
  readonly #context: Handle;
  readonly #queue: Handle;
  readonly #programs = new Map<string, Handle>();
  readonly #kernels = new Map<string, Handle>();

  constructor(library: OpenClLibrary, device: Handle, info: ComputeInfo, sources: Readonly<Record<string, string>>) {
    this.info = info;
    this.#library = library;
    this.#device = device;
    this.#sources = sources;
    this.#context = library.createContext(device);
    this.#queue = library.createQueue(this.#context, device);
  }

  allocate(bytes: number): DeviceMemory {
    return new OpenClMemory(this.#library, this.#context, bytes);
  }

  upload(from: Uint8Array, to: DeviceMemory, offset = 0): void {
    this.#library.write(this.#queue, handleOf(to), offset, from);
  }

  download(from: DeviceMemory, to: Uint8Array, offset = 0): void {
    this.#library.read(this.#queue, handleOf(from), offset, to);
  }

  launch(program: string, kernel: string, { groups, groupSize }: Grid, values: readonly KernelArgument[]): void {
    const handle = this.#kernel(program, kernel);
    for (const [index, value] of values.entries()) {
      if (typeof value === 'number') this.#library.setNumber(handle, index, value);
      else this.#library.setMemory(handle, index, handleOf(value));
    }
    this.#library.launch(this.#queue, handle, groups * groupSize, groupSize);
  }

  finish(): void {
    this.#library.finish(this.#queue);
  }

  close(): void {
    for (const kernel of this.#kernels.values()) this.#library.release('clReleaseKernel', kernel);
    for (const program of this.#programs.values()) this.#library.release('clReleaseProgram', program);
    this.#library.release('clReleaseCommandQueue', this.#queue);
    this.#library.release('clReleaseContext', this.#context);
    this.#kernels.clear();
    this.#programs.clear();
  }

  #kernel(program: string, name: string): Handle {
    const key = `${program}/${name}`;
    const kernel = this.#kernels.get(key) ?? this.#library.createKernel(this.#program(program), name);
    this.#kernels.set(key, kernel);
    return kernel;
  }

  #program(name: string): Handle {
    const source = this.#sources[name];
    if (source === undefined) throw new ComputeError('unsupported', `there is no program ${name}`);
    const program =
      this.#programs.get(name) ?? this.#library.buildProgram(this.#context, this.#device, source, '-cl-std=CL1.2');
    this.#programs.set(name, program);
    return program;
  }
}

function handleOf(memory: DeviceMemory): Handle {
  if (memory instanceof OpenClMemory) return memory.handle;
  throw new ComputeError('failed', 'the memory is of another device');
}
