// NVIDIA's management library, called through koffi. The rules of this boundary:
//
// - Types outside, pointers inside: what leaves this file is plain values, and handles that only this file can use.
// - A value that the driver, the device or the library does not give is undefined, never 0 and never a sentinel.
// - Every other failure is a DeviceError whose message names the function and NVML's code (status.ts).
// - Memory that the library writes to is a Buffer or a typed array of ours, passed as `void *`; its layout is known to
//   layouts.ts alone. No type is registered with koffi, whose type names are global to the process.
// - Required functions are bound when the library is loaded. The others are looked up at their first use, for an older
//   driver lacks newer ones: a missing function is one that is not supported.
// - Calls are synchronous and may block for ever; they belong in the probe process. No call is made after close().
import koffi, { type LibraryHandle } from 'koffi';
import { tolerate } from '../absence.ts';
import { DeviceError } from '../source.ts';
import {
  ATTRIBUTES_SIZE,
  type Attributes,
  decodeAttributes,
  decodeEvent,
  decodeField,
  decodeMemory,
  decodeMemoryV2,
  decodePciInfo,
  decodeProcesses,
  decodeText,
  decodeU32,
  decodeU64,
  type EventData,
  encodeEvent,
  encodeFields,
  FILLER,
  type Field,
  MEMORY_SIZE,
  MEMORY_V2_SIZE,
  type MemoryInfo,
  PCI_INFO_SIZE,
  type PciInfo,
  PROCESS_ROOM,
  type ProcessInfo,
  structVersion,
  TEMPERATURE_SIZE,
} from './layouts.ts';
import {
  answered,
  FUNCTION_NOT_FOUND,
  failure,
  INSUFFICIENT_SIZE,
  LIBRARY_NOT_FOUND,
  NOT_FOUND,
  SUCCESS,
  TIMEOUT,
} from './status.ts';

/** A GPU or a MIG instance, as long as the library is open. */
export type DeviceHandle = bigint & { readonly kind: 'device' };

/** A set of events to wait for, until it is freed. */
export type EventSetHandle = bigint & { readonly kind: 'event set' };

/** A mode now and after the next reset. */
export interface Mode {
  enabled: boolean;
  pending: boolean;
}

/** Stands for a value of several that could not be read this time, while others could. */
export const FAILED = 'failed';

/** What one field of several came to; undefined where it is not supported. */
export type FieldValue = number | undefined | typeof FAILED;

type Argument = number | bigint | Uint8Array | Uint32Array | BigUint64Array;
type Call = (...values: Argument[]) => number;

const handle = 'uintptr';
const out = 'void *';
const i32 = 'int32';
const u32 = 'uint32';
const u64 = 'uint64';

const required = {
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlDeviceGetCount_v2: [out],
  nvmlDeviceGetHandleByIndex_v2: [u32, out],
  nvmlDeviceGetUUID: [handle, out, u32],
};

const optional = {
  nvmlSystemGetDriverVersion: [out, u32],
  nvmlSystemGetCudaDriverVersion: [out],
  nvmlSystemGetCudaDriverVersion_v2: [out],
  nvmlDeviceGetName: [handle, out, u32],
  nvmlDeviceGetSerial: [handle, out, u32],
  nvmlDeviceGetBoardPartNumber: [handle, out, u32],
  nvmlDeviceGetVbiosVersion: [handle, out, u32],
  nvmlDeviceGetArchitecture: [handle, out],
  nvmlDeviceGetCudaComputeCapability: [handle, out, out],
  nvmlDeviceGetAttributes_v2: [handle, out],
  nvmlDeviceGetMemoryAffinity: [handle, u32, out, u32],
  nvmlDeviceGetNumaNodeId: [handle, out],
  nvmlDeviceGetPciInfo_v3: [handle, out],
  nvmlDeviceGetCurrPcieLinkGeneration: [handle, out],
  nvmlDeviceGetMaxPcieLinkGeneration: [handle, out],
  nvmlDeviceGetCurrPcieLinkWidth: [handle, out],
  nvmlDeviceGetMaxPcieLinkWidth: [handle, out],
  nvmlDeviceGetNvLinkState: [handle, u32, out],
  nvmlDeviceGetNvLinkVersion: [handle, u32, out],
  nvmlDeviceGetNvLinkRemotePciInfo_v2: [handle, u32, out],
  nvmlDeviceGetEccMode: [handle, out, out],
  nvmlDeviceGetMigMode: [handle, out, out],
  nvmlDeviceGetMaxMigDeviceCount: [handle, out],
  nvmlDeviceGetMigDeviceHandleByIndex: [handle, u32, out],
  nvmlDeviceGetGpuInstanceId: [handle, out],
  nvmlDeviceGetComputeInstanceId: [handle, out],
  nvmlDeviceGetEnforcedPowerLimit: [handle, out],
  nvmlDeviceGetPowerManagementDefaultLimit: [handle, out],
  nvmlDeviceGetPowerManagementLimitConstraints: [handle, out, out],
  nvmlDeviceGetMemoryInfo: [handle, out],
  nvmlDeviceGetMemoryInfo_v2: [handle, out],
  nvmlDeviceGetUtilizationRates: [handle, out],
  nvmlDeviceGetTemperature: [handle, u32, out],
  nvmlDeviceGetTemperatureV: [handle, out],
  nvmlDeviceGetPowerUsage: [handle, out],
  nvmlDeviceGetClockInfo: [handle, u32, out],
  nvmlDeviceGetMaxClockInfo: [handle, u32, out],
  nvmlDeviceGetTemperatureThreshold: [handle, u32, out],
  nvmlDeviceGetFieldValues: [handle, i32, out],
  nvmlDeviceGetTotalEccErrors: [handle, u32, u32, out],
  nvmlDeviceGetRetiredPages: [handle, u32, out, out],
  nvmlDeviceGetRetiredPagesPendingStatus: [handle, out],
  nvmlDeviceGetRemappedRows: [handle, out, out, out, out],
  nvmlDeviceGetCurrentClocksEventReasons: [handle, out],
  nvmlDeviceGetCurrentClocksThrottleReasons: [handle, out],
  nvmlDeviceGetPcieThroughput: [handle, u32, out],
  nvmlDeviceGetPcieReplayCounter: [handle, out],
  nvmlDeviceGetTotalEnergyConsumption: [handle, out],
  nvmlDeviceGetFanSpeed: [handle, out],
  nvmlDeviceGetEncoderUtilization: [handle, out, out],
  nvmlDeviceGetDecoderUtilization: [handle, out, out],
  nvmlDeviceGetComputeRunningProcesses: [handle, out, out],
  nvmlDeviceGetComputeRunningProcesses_v2: [handle, out, out],
  nvmlDeviceGetComputeRunningProcesses_v3: [handle, out, out],
  nvmlDeviceGetGraphicsRunningProcesses: [handle, out, out],
  nvmlDeviceGetGraphicsRunningProcesses_v2: [handle, out, out],
  nvmlDeviceGetGraphicsRunningProcesses_v3: [handle, out, out],
  nvmlEventSetCreate: [out],
  nvmlEventSetFree: [handle],
  nvmlDeviceGetSupportedEventTypes: [handle, out],
  nvmlDeviceRegisterEvents: [handle, u64, handle],
  nvmlEventSetWait: [handle, out, u32],
  nvmlEventSetWait_v2: [handle, out, u32],
};

const signatures = { ...required, ...optional };
type FunctionName = keyof typeof signatures;

const TEXT_ROOM = 96;
const GPU_DIE_SENSOR = 0;
const NUMA_SCOPE = 0;
const NUMA_WORDS = 16;
const MAX_PROCESSES = 65_536;
const clockDomains = { graphics: 0, sm: 1, memory: 2 };
// The numbers of NVML's enumerations nvmlMemoryErrorType_t, nvmlEccCounterType_t, nvmlPageRetirementCause_t,
// nvmlPcieUtilCounter_t and nvmlTemperatureThresholds_t, as in nvml.h.
const memoryErrors = { corrected: 0, uncorrected: 1 };
const eccCounters = { volatile: 0, aggregate: 1 };
const retirementCauses = { singleBit: 0, doubleBit: 1 };
const pcieDirections = { tx: 0, rx: 1 };
const thresholds = { shutdown: 0, slowdown: 1, memoryMax: 2 };
const BYTES_PER_KILOBYTE = 1000;

export type ClockDomain = keyof typeof clockDomains;
export type Threshold = keyof typeof thresholds;

/** NVML, loaded. Every method throws {@link DeviceError}; undefined stands for what is not supported. */
export class NvmlLibrary {
  #library: LibraryHandle | undefined;
  readonly #bound = new Map<FunctionName, Call | undefined>();
  // Calls come one at a time and each is read out before the next, so one set of buffers serves all.
  readonly #first = new Uint32Array(1);
  readonly #second = new Uint32Array(1);
  readonly #third = new Uint32Array(1);
  readonly #fourth = new Uint32Array(1);
  readonly #wide = new BigUint64Array(1);
  readonly #text = Buffer.alloc(TEXT_ROOM);
  #processes = Buffer.alloc(64 * PROCESS_ROOM);

  /**
   * Loads the library without talking to the driver.
   *
   * @param path a path, or a name for the system's loader to find
   * @throws `driver-gone` when it cannot be loaded or lacks a required function
   */
  constructor(path: string) {
    this.#library = load(path);
    for (const name of Object.keys(required) as FunctionName[]) {
      if (this.#function(name) !== undefined) continue;
      this.close();
      throw new DeviceError('driver-gone', `${path} is not a usable NVML: it lacks ${name}`);
    }
  }

  /** Connects to the driver. */
  init(): void {
    this.#require('nvmlInit_v2');
  }

  /** Undoes {@link init}. */
  shutdown(): void {
    this.#require('nvmlShutdown');
  }

  /** Unloads the library, so that the next one loaded is what is on disk then. No call works afterwards. */
  close(): void {
    this.#bound.clear();
    this.#library?.unload();
    this.#library = undefined;
  }

  driverVersion(): string | undefined {
    return this.#answers('nvmlSystemGetDriverVersion', this.#text, TEXT_ROOM) ? decodeText(this.#text) : undefined;
  }

  /** The highest CUDA version that the driver supports, as NVML packs it: 12040 is 12.4. */
  cudaVersion(): number | undefined {
    // The newer function asks libcuda itself, which a container may lack; NVML's own answer is then the next best.
    const code = this.#call('nvmlSystemGetCudaDriverVersion_v2', this.#first);
    if (code === SUCCESS) return this.#first[0] || undefined;
    if (code !== LIBRARY_NOT_FOUND) answered('nvmlSystemGetCudaDriverVersion_v2', code);
    return this.#number('nvmlSystemGetCudaDriverVersion') || undefined;
  }

  deviceCount(): number {
    this.#require('nvmlDeviceGetCount_v2', this.#first);
    return this.#first[0] ?? 0;
  }

  deviceByIndex(index: number): DeviceHandle {
    this.#require('nvmlDeviceGetHandleByIndex_v2', index, this.#wide);
    return this.#handle() as DeviceHandle;
  }

  /** The UUID in the driver's spelling. */
  uuid(device: DeviceHandle): string {
    this.#require('nvmlDeviceGetUUID', device, this.#text, TEXT_ROOM);
    const uuid = decodeText(this.#text);
    if (uuid === undefined) throw new DeviceError('failed', 'nvmlDeviceGetUUID returned no UUID');
    return uuid;
  }

  name(device: DeviceHandle): string | undefined {
    return this.#string('nvmlDeviceGetName', device);
  }

  serial(device: DeviceHandle): string | undefined {
    return this.#string('nvmlDeviceGetSerial', device);
  }

  boardPartNumber(device: DeviceHandle): string | undefined {
    return this.#string('nvmlDeviceGetBoardPartNumber', device);
  }

  vbiosVersion(device: DeviceHandle): string | undefined {
    return this.#string('nvmlDeviceGetVbiosVersion', device);
  }

  /** NVML's number for the architecture: 9 is Hopper. */
  architecture(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetArchitecture', device);
  }

  /** Major and minor. */
  computeCapability(device: DeviceHandle): [number, number] | undefined {
    return this.#pair('nvmlDeviceGetCudaComputeCapability', device);
  }

  /** Drivers say this of MIG instances; of whole GPUs most do not. */
  multiprocessors(device: DeviceHandle): number | undefined {
    return this.attributes(device)?.multiprocessors;
  }

  /** How large a MIG instance is. */
  attributes(device: DeviceHandle): Attributes | undefined {
    const attributes = this.#struct('nvmlDeviceGetAttributes_v2', device, Buffer.alloc(ATTRIBUTES_SIZE));
    return attributes && decodeAttributes(attributes);
  }

  /** The NUMA node nearest to the device; undefined where it is near to several. */
  numaNode(device: DeviceHandle): number | undefined {
    const nodes = new BigUint64Array(NUMA_WORDS);
    if (this.#answers('nvmlDeviceGetMemoryAffinity', device, NUMA_WORDS, nodes, NUMA_SCOPE)) return onlyBit(nodes);
    return this.#number('nvmlDeviceGetNumaNodeId', device);
  }

  pci(device: DeviceHandle): PciInfo | undefined {
    const info = this.#struct('nvmlDeviceGetPciInfo_v3', device, Buffer.alloc(PCI_INFO_SIZE));
    return info && decodePciInfo(info);
  }

  linkGeneration(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetCurrPcieLinkGeneration', device);
  }

  /** The highest that both the device and its slot can do. */
  maxLinkGeneration(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetMaxPcieLinkGeneration', device);
  }

  /** Lanes. */
  linkWidth(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetCurrPcieLinkWidth', device);
  }

  /** Lanes, the most that both the device and its slot can do. */
  maxLinkWidth(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetMaxPcieLinkWidth', device);
  }

  nvlinkActive(device: DeviceHandle, link: number): boolean | undefined {
    const state = this.#number('nvmlDeviceGetNvLinkState', device, link);
    return state === undefined ? undefined : state !== 0;
  }

  nvlinkVersion(device: DeviceHandle, link: number): number | undefined {
    return this.#number('nvmlDeviceGetNvLinkVersion', device, link);
  }

  /** The PCI address of the GPU or switch at the other end. */
  nvlinkRemoteBusId(device: DeviceHandle, link: number): string | undefined {
    const info = Buffer.alloc(PCI_INFO_SIZE);
    if (!this.#answers('nvmlDeviceGetNvLinkRemotePciInfo_v2', device, link, info)) return undefined;
    return decodePciInfo(info).busId;
  }

  eccMode(device: DeviceHandle): Mode | undefined {
    return this.#mode('nvmlDeviceGetEccMode', device);
  }

  migMode(device: DeviceHandle): Mode | undefined {
    return this.#mode('nvmlDeviceGetMigMode', device);
  }

  /** How many MIG instances the device can have; they may sit at any index below. */
  maxMigInstances(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetMaxMigDeviceCount', device);
  }

  /** The MIG instance at that index; undefined where there is none. */
  migInstance(device: DeviceHandle, index: number): DeviceHandle | undefined {
    const name = 'nvmlDeviceGetMigDeviceHandleByIndex';
    const code = this.#call(name, device, index, this.#wide);
    return code !== NOT_FOUND && answered(name, code) ? (this.#handle() as DeviceHandle) : undefined;
  }

  /** The ids of a MIG instance, by which events name it. */
  gpuInstanceId(instance: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetGpuInstanceId', instance);
  }

  computeInstanceId(instance: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetComputeInstanceId', instance);
  }

  /** Milliwatts, as are all that follow about power. */
  enforcedPowerLimit(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetEnforcedPowerLimit', device);
  }

  defaultPowerLimit(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetPowerManagementDefaultLimit', device);
  }

  /** The least and the most that may be set. */
  powerLimitRange(device: DeviceHandle): [number, number] | undefined {
    return this.#pair('nvmlDeviceGetPowerManagementLimitConstraints', device);
  }

  powerUsage(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetPowerUsage', device);
  }

  memory(device: DeviceHandle): MemoryInfo | undefined {
    const versioned = Buffer.alloc(MEMORY_V2_SIZE);
    versioned.writeUInt32LE(structVersion(MEMORY_V2_SIZE, 2));
    const memory = this.#struct('nvmlDeviceGetMemoryInfo_v2', device, versioned);
    if (memory !== undefined) return decodeMemoryV2(memory);
    const older = this.#struct('nvmlDeviceGetMemoryInfo', device, Buffer.alloc(MEMORY_SIZE));
    return older && decodeMemory(older);
  }

  /** The shares of time, in percent, in which kernels ran and in which memory was read or written. */
  utilization(device: DeviceHandle): { gpu: number | undefined; memory: number | undefined } | undefined {
    const rates = this.#struct('nvmlDeviceGetUtilizationRates', device, Buffer.alloc(8));
    return rates && { gpu: decodeU32(rates.readUInt32LE(0)), memory: decodeU32(rates.readUInt32LE(4)) };
  }

  /** Degrees Celsius. */
  temperature(device: DeviceHandle): number | undefined {
    if (this.#has('nvmlDeviceGetTemperature')) {
      return this.#number('nvmlDeviceGetTemperature', device, GPU_DIE_SENSOR);
    }
    const versioned = Buffer.alloc(TEMPERATURE_SIZE);
    versioned.writeUInt32LE(structVersion(TEMPERATURE_SIZE, 1), 0);
    versioned.writeUInt32LE(GPU_DIE_SENSOR, 4);
    return this.#struct('nvmlDeviceGetTemperatureV', device, versioned)?.readInt32LE(8);
  }

  /** Degrees Celsius. From Ada on, drivers announce to give this up for margins, which are no temperatures. */
  temperatureThreshold(device: DeviceHandle, threshold: Threshold): number | undefined {
    return this.#number('nvmlDeviceGetTemperatureThreshold', device, thresholds[threshold]);
  }

  /**
   * Several fields in one call; the driver is asked once for those that it counts together. A field that fails alone
   * is {@link FAILED}: the others are answered all the same.
   */
  fieldValues(device: DeviceHandle, fields: readonly Field[]): FieldValue[] {
    const name = 'nvmlDeviceGetFieldValues';
    const values = encodeFields(fields);
    if (!this.#answers(name, device, fields.length, values)) return fields.map(() => undefined);
    return fields.map(({ id }, place) => {
      const { code, value } = decodeField(values, place);
      const given = tolerate(() => answered(`${name} (field ${id})`, code));
      return given === undefined ? FAILED : given ? value : undefined;
    });
  }

  /** Since the driver was loaded (`volatile`), or since the board was made (`aggregate`), over all of its memories. */
  eccErrors(
    device: DeviceHandle,
    errors: keyof typeof memoryErrors,
    counter: keyof typeof eccCounters,
  ): number | undefined {
    return this.#wideNumber('nvmlDeviceGetTotalEccErrors', device, memoryErrors[errors], eccCounters[counter]);
  }

  /** How many pages are retired for that cause, also those that wait for it. */
  retiredPages(device: DeviceHandle, cause: keyof typeof retirementCauses): number | undefined {
    const name = 'nvmlDeviceGetRetiredPages';
    this.#first[0] = 0;
    const code = this.#call(name, device, retirementCauses[cause], this.#first, this.#wide);
    // Asked with no room for addresses, the function says how many there are, and that the room is too small for them.
    return code === INSUFFICIENT_SIZE || answered(name, code) ? decodeU32(this.#first[0]) : undefined;
  }

  /** Whether a page waits for the next reset to be retired. */
  retirementPending(device: DeviceHandle): boolean | undefined {
    const pending = this.#number('nvmlDeviceGetRetiredPagesPendingStatus', device);
    return pending === undefined ? undefined : pending !== 0;
  }

  /** Counts of rows, then whether one waits for the next reset, and whether one ever failed. Not with MIG instances. */
  remappedRows(device: DeviceHandle): [number, number, boolean, boolean] | undefined {
    const outputs = [this.#first, this.#second, this.#third, this.#fourth];
    if (!this.#answers('nvmlDeviceGetRemappedRows', device, ...outputs)) return undefined;
    const [correctable = 0, uncorrectable = 0, pending, failed] = outputs.map((output) => output[0]);
    return [correctable, uncorrectable, pending !== 0, failed !== 0];
  }

  /** Why clocks are lower than they could be, as bits. */
  clocksEventReasons(device: DeviceHandle): number | undefined {
    // The first name is that of drivers from 535 on; the second one was removed from the header of CUDA 13.
    const newer = 'nvmlDeviceGetCurrentClocksEventReasons';
    return this.#wideNumber(this.#has(newer) ? newer : 'nvmlDeviceGetCurrentClocksThrottleReasons', device);
  }

  /** Bytes a second. The driver counts for 20 ms, and the call takes as long. */
  pcieThroughput(device: DeviceHandle, direction: keyof typeof pcieDirections): number | undefined {
    const kilobytes = this.#number('nvmlDeviceGetPcieThroughput', device, pcieDirections[direction]);
    return kilobytes === undefined ? undefined : kilobytes * BYTES_PER_KILOBYTE;
  }

  pcieReplays(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetPcieReplayCounter', device);
  }

  /** Millijoules since the driver was loaded. */
  energy(device: DeviceHandle): number | undefined {
    return this.#wideNumber('nvmlDeviceGetTotalEnergyConsumption', device);
  }

  /** Percent; what the fan is told to do, and of several fans the first. */
  fanSpeed(device: DeviceHandle): number | undefined {
    return this.#number('nvmlDeviceGetFanSpeed', device);
  }

  /** Percent. */
  encoderUtilization(device: DeviceHandle): number | undefined {
    return this.#pair('nvmlDeviceGetEncoderUtilization', device)?.[0];
  }

  /** Percent. */
  decoderUtilization(device: DeviceHandle): number | undefined {
    return this.#pair('nvmlDeviceGetDecoderUtilization', device)?.[0];
  }

  /** MHz, now. */
  clock(device: DeviceHandle, domain: ClockDomain): number | undefined {
    return this.#number('nvmlDeviceGetClockInfo', device, clockDomains[domain]);
  }

  /** MHz, at most. */
  maxClock(device: DeviceHandle, domain: ClockDomain): number | undefined {
    return this.#number('nvmlDeviceGetMaxClockInfo', device, clockDomains[domain]);
  }

  computeProcesses(device: DeviceHandle): ProcessInfo[] | undefined {
    return this.#processList('nvmlDeviceGetComputeRunningProcesses', device);
  }

  graphicsProcesses(device: DeviceHandle): ProcessInfo[] | undefined {
    return this.#processList('nvmlDeviceGetGraphicsRunningProcesses', device);
  }

  createEventSet(): EventSetHandle | undefined {
    return this.#answers('nvmlEventSetCreate', this.#wide) ? (this.#handle() as EventSetHandle) : undefined;
  }

  freeEventSet(set: EventSetHandle): void {
    this.#answers('nvmlEventSetFree', set);
  }

  /** The event types that the device can report, as bits. */
  supportedEvents(device: DeviceHandle): number | undefined {
    return this.#wideNumber('nvmlDeviceGetSupportedEventTypes', device);
  }

  /** Adds a device's events of these types to the set; false where the device cannot report them. */
  registerEvents(device: DeviceHandle, types: number, set: EventSetHandle): boolean {
    return this.#answers('nvmlDeviceRegisterEvents', device, types, set);
  }

  /** The next event; undefined when none has happened, and none does within so many milliseconds. */
  nextEvent(set: EventSetHandle, waitMs: number): EventData | undefined {
    const name = this.#has('nvmlEventSetWait_v2') ? 'nvmlEventSetWait_v2' : 'nvmlEventSetWait';
    const event = encodeEvent();
    // Not 0: some bindings document that as a wait without end.
    const code = this.#call(name, set, event, Math.max(1, waitMs));
    return code !== TIMEOUT && answered(name, code) ? decodeEvent(event) : undefined;
  }

  #processList(
    base: 'nvmlDeviceGetComputeRunningProcesses' | 'nvmlDeviceGetGraphicsRunningProcesses',
    device: DeviceHandle,
  ): ProcessInfo[] | undefined {
    const name = ([`${base}_v3`, `${base}_v2`] as const).find((newer) => this.#has(newer)) ?? base;
    const count = this.#fillProcesses(name, device);
    return count === undefined ? undefined : decodeProcesses(this.#processes, count, name === base ? 'v1' : 'v2');
  }

  /** Asks again with more room for as long as the list outgrows it; returns how many processes there are. */
  #fillProcesses(name: FunctionName, device: DeviceHandle): number | undefined {
    for (;;) {
      const room = this.#processes.length / PROCESS_ROOM;
      this.#processes.fill(FILLER);
      this.#first[0] = room;
      const code = this.#call(name, device, this.#first, this.#processes);
      if (code !== INSUFFICIENT_SIZE || room >= MAX_PROCESSES) {
        return answered(name, code) ? this.#first[0] : undefined;
      }
      const wanted = Math.max(2 * room, 2 * this.#first[0]);
      this.#processes = Buffer.alloc(Math.min(wanted, MAX_PROCESSES) * PROCESS_ROOM);
    }
  }

  #string(name: FunctionName, device: DeviceHandle): string | undefined {
    return this.#answers(name, device, this.#text, TEXT_ROOM) ? decodeText(this.#text) : undefined;
  }

  #number(name: FunctionName, ...inputs: Argument[]): number | undefined {
    return this.#answers(name, ...inputs, this.#first) ? decodeU32(this.#first[0] ?? 0) : undefined;
  }

  #wideNumber(name: FunctionName, ...inputs: Argument[]): number | undefined {
    return this.#answers(name, ...inputs, this.#wide) ? decodeU64(this.#wide[0] ?? 0n) : undefined;
  }

  #pair(name: FunctionName, device: DeviceHandle): [number, number] | undefined {
    if (!this.#answers(name, device, this.#first, this.#second)) return undefined;
    const [first, second] = [decodeU32(this.#first[0] ?? 0), decodeU32(this.#second[0] ?? 0)];
    return first === undefined || second === undefined ? undefined : [first, second];
  }

  #mode(name: FunctionName, device: DeviceHandle): Mode | undefined {
    const pair = this.#pair(name, device);
    return pair && { enabled: pair[0] !== 0, pending: pair[1] !== 0 };
  }

  #struct(name: FunctionName, device: DeviceHandle, struct: Buffer): Buffer | undefined {
    return this.#answers(name, device, struct) ? struct : undefined;
  }

  #handle(): bigint {
    return this.#wide[0] ?? 0n;
  }

  /** Whether the call was answered; throws when it failed. */
  #answers(name: FunctionName, ...values: Argument[]): boolean {
    return answered(name, this.#call(name, ...values));
  }

  /** For what every driver supports. */
  #require(name: FunctionName, ...values: Argument[]): void {
    const code = this.#call(name, ...values);
    if (code !== SUCCESS) throw failure(name, code);
  }

  #call(name: FunctionName, ...values: Argument[]): number {
    return this.#function(name)?.(...values) ?? FUNCTION_NOT_FOUND;
  }

  #has(name: FunctionName): boolean {
    return this.#function(name) !== undefined;
  }

  #function(name: FunctionName): Call | undefined {
    if (!this.#bound.has(name)) this.#bound.set(name, this.#bind(name));
    return this.#bound.get(name);
  }

  #bind(name: FunctionName): Call | undefined {
    if (this.#library === undefined) throw new DeviceError('driver-gone', `${name}: the NVML library is closed`);
    try {
      // koffi types every function as unknown to it; the signature beside the name says what this one takes.
      return this.#library.func(name, 'int', signatures[name]) as Call;
    } catch {
      return undefined; // koffi throws for a symbol that the library does not have
    }
  }
}

function load(path: string): LibraryHandle {
  try {
    return koffi.load(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DeviceError('driver-gone', `${path}: ${reason}`);
  }
}

/** The place of the only bit that is set; undefined when there are none or several. */
function onlyBit(words: BigUint64Array): number | undefined {
  const places = [...words].flatMap((word, place) => {
    const bits = [...word.toString(2)].reverse();
    return bits.flatMap((bit, offset) => (bit === '1' ? [64 * place + offset] : []));
  });
  return places.length === 1 ? places[0] : undefined;
}
