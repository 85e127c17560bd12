// A device that computes, whatever its interface: what benchmarks and proofs ask of it. Calls are synchronous, block,
// and may never return: they belong in the measuring process, whose end gives everything back.

/** Why a device does not compute. The message is for people and names the call that failed. */
export class ComputeError extends Error {
  override readonly name = 'ComputeError';
  readonly fault: ComputeFault;

  constructor(fault: ComputeFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

export type ComputeFault =
  /** There is no library, no driver or no device of that name. */
  | 'absent'
  /** The device does not have what was asked for. */
  | 'unsupported'
  /** Memory does not suffice. */
  | 'out-of-memory'
  /** A measuring process that could not be killed may still have it. */
  | 'busy'
  /** Any other failure. */
  | 'failed';

/** Memory of the device, until it is freed. */
export interface DeviceMemory {
  readonly bytes: number;
  free(): void;
}

/** A value for a kernel: memory, or a 32-bit integer. */
export type KernelArgument = DeviceMemory | number;

/** How many groups of how many work items; one dimension, as all kernels here have it. */
export interface Grid {
  readonly groups: number;
  readonly groupSize: number;
}

/** What is known of a device. */
export interface ComputeInfo {
  readonly backend: 'cuda' | 'opencl';
  readonly name: string;
  /** In the spelling of NVML, where the interface says it. */
  readonly uuid?: string;
  /** As sysfs spells it, for instance `0000:3b:00.0`; where the interface says it, and no uuid. */
  readonly pciBusId?: string;
  readonly driverVersion: string;
  readonly memoryBytes: number;
  /** Of one allocation. */
  readonly maxAllocationBytes: number;
  /** Multiprocessors, or compute units. */
  readonly units: number;
  readonly maxGroupSize: number;
  readonly clockMhz: number | undefined;
  /** CPU devices are measured for tests only. */
  readonly isCpu: boolean;
}

/** Whether two lists mean the same device, whose number may be another. */
export function isSameDevice(one: ComputeInfo, other: ComputeInfo): boolean {
  return one.uuid === other.uuid && one.pciBusId === other.pciBusId && one.name === other.name;
}

/** A device, opened by this process. */
export interface ComputeDevice {
  readonly info: ComputeInfo;
  /** @throws ComputeError `out-of-memory` */
  allocate(bytes: number): DeviceMemory;
  /** Copies to the device and returns when it is there. */
  upload(from: Uint8Array, to: DeviceMemory, offset?: number): void;
  /** Copies from the device; what was launched before is done first. */
  download(from: DeviceMemory, to: Uint8Array, offset?: number): void;
  /** Queues a kernel of a program behind what was launched before. @throws ComputeError `unsupported` */
  launch(program: string, kernel: string, grid: Grid, values: readonly KernelArgument[]): void;
  /** Returns when all that was launched is done. */
  finish(): void;
  close(): void;
}

/** A uuid of 16 bytes in the spelling of NVML. */
export function gpuUuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `GPU-${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
