// The memory layouts of NVML's structures on 64-bit little-endian machines: bytes in, values out. What the driver marks
// as not available is undefined here. Sizes and offsets are those of NVIDIA's public nvml.h (13.3), which has kept them
// since the first version of each structure.

export const PCI_INFO_SIZE = 68;
export const MEMORY_SIZE = 24;
export const MEMORY_V2_SIZE = 40;
export const TEMPERATURE_SIZE = 12;
export const ATTRIBUTES_SIZE = 40;
export const EVENT_SIZE = 32;
export const FIELD_VALUE_SIZE = 40;
/** Room to give each process, whatever the driver writes (see {@link decodeProcesses}). */
export const PROCESS_ROOM = 32;

const PROCESS_V1_SIZE = 16;
const PROCESS_V2_SIZE = 24;
const WIDE_PROCESS_SIZE = 32;

export interface PciInfo {
  /** As the driver prints it, for instance `00000000:3B:00.0`. */
  busId: string | undefined;
  /** Device id in the high half, vendor id in the low. */
  deviceId: number | undefined;
  subsystemId: number | undefined;
}

/** Bytes. */
export interface MemoryInfo {
  totalBytes: number | undefined;
  reservedBytes: number | undefined;
  usedBytes: number | undefined;
}

export interface Attributes {
  multiprocessors: number | undefined;
  gpuInstanceSlices: number | undefined;
  computeInstanceSlices: number | undefined;
  memoryMebibytes: number | undefined;
}

export interface ProcessInfo {
  pid: number;
  usedMemoryBytes: number | undefined;
}

export interface EventData {
  /** The handle of the device; 0 when the event concerns none. */
  device: bigint;
  type: number;
  data: number;
  /** The MIG instance concerned; undefined when it is all of the device. */
  gpuInstance: number | undefined;
  computeInstance: number | undefined;
}

/** A value that `nvmlDeviceGetFieldValues` is asked for. */
export interface Field {
  id: number;
  /** What part of the device is meant, for instance which NVLink; 0 for fields that have no parts. */
  scope: number;
}

/** The `version` field of a versioned structure: its size, and its version in the highest byte. */
export function structVersion(size: number, version: number): number {
  return size + version * 2 ** 24;
}

/** A 32-bit value; all ones is NVML's "not available". */
export function decodeU32(value: number): number | undefined {
  return value === 0xffffffff ? undefined : value;
}

/** A 64-bit value as a number; all ones is NVML's "not available". */
export function decodeU64(value: number | bigint): number | undefined {
  return BigInt(value) === 0xffffffffffffffffn ? undefined : Number(value);
}

/** A zero-terminated string; undefined when it is empty or says in words that there is nothing to say. */
export function decodeText(bytes: Buffer): string | undefined {
  const end = bytes.indexOf(0);
  const text = bytes.toString('utf8', 0, end === -1 ? bytes.length : end).trim();
  return text === '' || /^\[?(n\/a|not supported|not available|unknown error)\]?$/i.test(text) ? undefined : text;
}

/** `nvmlPciInfo_t`. */
export function decodePciInfo(bytes: Buffer): PciInfo {
  return {
    busId: decodeText(bytes.subarray(36, 68)),
    deviceId: decodeU32(bytes.readUInt32LE(28)),
    subsystemId: decodeU32(bytes.readUInt32LE(32)),
  };
}

/** `nvmlMemory_t`, whose used bytes include the reserved ones. */
export function decodeMemory(bytes: Buffer): MemoryInfo {
  return { totalBytes: u64At(bytes, 0), reservedBytes: undefined, usedBytes: u64At(bytes, 16) };
}

/** `nvmlMemory_v2_t`. */
export function decodeMemoryV2(bytes: Buffer): MemoryInfo {
  return { totalBytes: u64At(bytes, 8), reservedBytes: u64At(bytes, 16), usedBytes: u64At(bytes, 32) };
}

/** `nvmlDeviceAttributes_t`. */
export function decodeAttributes(bytes: Buffer): Attributes {
  return {
    multiprocessors: decodeU32(bytes.readUInt32LE(0)),
    gpuInstanceSlices: decodeU32(bytes.readUInt32LE(24)),
    computeInstanceSlices: decodeU32(bytes.readUInt32LE(28)),
    memoryMebibytes: u64At(bytes, 32),
  };
}

/** `nvmlEventData_t`. */
export function decodeEvent(bytes: Buffer): EventData {
  return {
    device: bytes.readBigUInt64LE(0),
    type: Number(bytes.readBigUInt64LE(8)),
    data: Number(bytes.readBigUInt64LE(16)),
    gpuInstance: decodeU32(bytes.readUInt32LE(24)),
    computeInstance: decodeU32(bytes.readUInt32LE(28)),
  };
}

/** Room for an event before a call: all ones, for `nvmlEventSetWait`, older than `_v2`, leaves the instances alone. */
export function encodeEvent(): Buffer {
  return Buffer.alloc(EVENT_SIZE, 0xff);
}

/** A list of `nvmlFieldValue_t` to be filled in. */
export function encodeFields(fields: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(fields.length * FIELD_VALUE_SIZE);
  for (const [place, { id, scope }] of fields.entries()) {
    bytes.writeUInt32LE(id, place * FIELD_VALUE_SIZE);
    bytes.writeUInt32LE(scope, place * FIELD_VALUE_SIZE + 4);
  }
  return bytes;
}

/** One `nvmlFieldValue_t` of a list: the return code of this field, and what it holds if that is a success. */
export function decodeField(bytes: Buffer, place: number): { code: number; value: number | undefined } {
  const start = place * FIELD_VALUE_SIZE;
  const decode = fieldTypes[bytes.readUInt32LE(start + 24)];
  const value = decode?.(bytes, start + 32);
  // A count or a temperature is a whole number: anything else is garbage.
  const known = value !== undefined && Number.isSafeInteger(value) && value >= 0;
  return { code: bytes.readUInt32LE(start + 28), value: known ? value : undefined };
}

/** `nvmlValueType_t`: how the union `nvmlValue_t` is to be read. */
const fieldTypes: Record<number, (bytes: Buffer, offset: number) => number | undefined> = {
  0: (bytes, offset) => bytes.readDoubleLE(offset),
  1: (bytes, offset) => decodeU32(bytes.readUInt32LE(offset)),
  2: u64At,
  3: u64At,
  4: (bytes, offset) => Number(bytes.readBigInt64LE(offset)),
  5: (bytes, offset) => bytes.readInt32LE(offset),
  6: (bytes, offset) => bytes.readUInt16LE(offset),
};

/** What a buffer for processes holds before a call, so that what the driver wrote can be told from the rest. */
export const FILLER = 0xaa;

/**
 * A list of `nvmlProcessInfo_v1_t` or, for `_v2` and `_v3` functions, of `nvmlProcessInfo_v2_t`.
 *
 * The header gives `_v3` entries of 24 bytes, but drivers from the 535 series on are known to write 32, under the same
 * name. So the buffer has room for 32 and is filled with {@link FILLER}: what lies beyond 24 bytes an entry tells.
 */
export function decodeProcesses(bytes: Buffer, count: number, layout: 'v1' | 'v2'): ProcessInfo[] {
  const size = layout === 'v1' ? PROCESS_V1_SIZE : processSize(bytes, count);
  return Array.from({ length: count }, (_, place) => ({
    pid: bytes.readUInt32LE(place * size),
    usedMemoryBytes: u64At(bytes, place * size + 8),
  }));
}

function processSize(bytes: Buffer, count: number): number {
  const beyond = bytes.subarray(count * PROCESS_V2_SIZE, count * WIDE_PROCESS_SIZE);
  return beyond.every((byte) => byte === FILLER) ? PROCESS_V2_SIZE : WIDE_PROCESS_SIZE;
}

function u64At(bytes: Buffer, offset: number): number | undefined {
  return decodeU64(bytes.readBigUInt64LE(offset));
}
