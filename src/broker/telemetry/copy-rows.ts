// Rows of the table `telemetry` in PostgreSQL's binary COPY format, written into one buffer that is used again.
//
// It takes half the CPU of the text format, here as in PostgreSQL: bench/broker/copy-formats.ts.
import type { Sample } from '../../wire/gpubroker/node/v1/node_link.ts';
import { bits, bytes, integer, percent, smallint, whole } from './rounds.ts';

/** What goes with {@link CopyRows}. */
export const copyStatement =
  'copy telemetry (node_id, at, gpu_names, utilization_percent, memory_utilization_percent, memory_used_bytes, ' +
  'temperature_celsius, power_milliwatts, sm_mhz, memory_mhz, memory_temperature_celsius, energy_joules, ' +
  'throttle_bits, pcie_tx_kilobytes, pcie_rx_kilobytes, nvlink_tx_kilobytes, nvlink_rx_kilobytes, ecc_corrected, ' +
  'ecc_uncorrected) from stdin (format binary)';

const columns = 19;
/** Signature, flags, length of the extension: the file header of the format. */
const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const trailer = 0xffff;
/** PostgreSQL counts from 2000; milliseconds. */
const epoch = Date.UTC(2000, 0, 1);
const oid = { smallint: 21, bigint: 20, integer: 23, text: 25 } as const;
/** Dimensions, null flag, element type, length, lower bound. */
const arrayHeader = 20;
/** Of a row: field count, node_id, at, and the headers of its arrays with their lengths. */
const rowOverhead = 2 + 20 + 12 + (columns - 2) * (4 + arrayHeader);
/** Lengths and values of the figures of a GPU. */
const sampleSize = 5 * (4 + 2) + 2 * (4 + 8) + 9 * (4 + 4);
/** Sets of names that are remembered as bytes. */
const maxNameSets = 20_000;

type Figure = 'smallint' | 'integer' | 'bigint';

/** The names of a node's GPUs as an array in the format: the same in nearly every round of that node. */
interface NameSet {
  readonly names: readonly string[];
  readonly encoded: Buffer;
}

/** Rows, one after the other. */
export class CopyRows {
  #buffer: Buffer;
  #end = 0;
  /** By node. */
  readonly #names = new Map<string, NameSet>();

  constructor(size = 1 << 20) {
    this.#buffer = Buffer.allocUnsafe(size);
    this.clear();
  }

  clear(): void {
    this.#end = header.copy(this.#buffer, 0);
  }

  /** Bytes so far. */
  get size(): number {
    return this.#end;
  }

  /** All rows with the format's end; good until {@link clear}. */
  finish(): Buffer {
    this.#reserve(2);
    this.#buffer.writeUInt16BE(trailer, this.#end);
    return this.#buffer.subarray(0, this.#end + 2);
  }

  /** @param at milliseconds. */
  add(nodeId: string, at: number, samples: readonly Sample[]): void {
    const names = this.#namesOf(nodeId, samples);
    this.#reserve(rowOverhead + names.length + samples.length * sampleSize);
    const buffer = this.#buffer;
    let end = buffer.writeInt16BE(columns, this.#end);
    end = buffer.writeInt32BE(16, end);
    end += buffer.write(nodeId.replaceAll('-', ''), end, 'hex');
    end = buffer.writeInt32BE(8, end);
    end = writeInt64(buffer, (at - epoch) * 1000, end);
    end = buffer.writeInt32BE(names.length, end);
    end += names.copy(buffer, end);
    end = writeArray(buffer, end, 'smallint', samples, utilization);
    end = writeArray(buffer, end, 'smallint', samples, memoryUtilization);
    end = writeArray(buffer, end, 'bigint', samples, memoryUsed);
    end = writeArray(buffer, end, 'smallint', samples, temperature);
    end = writeArray(buffer, end, 'integer', samples, power);
    end = writeArray(buffer, end, 'integer', samples, smClock);
    end = writeArray(buffer, end, 'integer', samples, memoryClock);
    end = writeArrayOrNull(buffer, end, 'smallint', samples, memoryTemperature);
    end = writeArrayOrNull(buffer, end, 'bigint', samples, energy);
    end = writeArrayOrNull(buffer, end, 'smallint', samples, throttle);
    end = writeArrayOrNull(buffer, end, 'integer', samples, pcieSent);
    end = writeArrayOrNull(buffer, end, 'integer', samples, pcieReceived);
    end = writeArrayOrNull(buffer, end, 'integer', samples, nvlinkSent);
    end = writeArrayOrNull(buffer, end, 'integer', samples, nvlinkReceived);
    end = writeArrayOrNull(buffer, end, 'integer', samples, eccCorrected);
    this.#end = writeArrayOrNull(buffer, end, 'integer', samples, eccUncorrected);
  }

  #namesOf(nodeId: string, samples: readonly Sample[]): Buffer {
    const known = this.#names.get(nodeId);
    if (known && isSame(known.names, samples)) return known.encoded;
    const names = samples.map(({ gpu }) => gpu);
    const encoded = encodeNames(names);
    if (this.#names.size >= maxNameSets) this.#names.clear();
    this.#names.set(nodeId, { names, encoded });
    return encoded;
  }

  #reserve(more: number): void {
    if (this.#end + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end + more));
    this.#buffer.copy(larger, 0, 0, this.#end);
    this.#buffer = larger;
  }
}

// One function for each figure, so that each call in writeArray has one target.
const utilization = (sample: Sample) => percent(sample.utilizationPercent);
const memoryUtilization = (sample: Sample) => percent(sample.memoryUtilizationPercent);
const memoryUsed = (sample: Sample) => bytes(sample.memoryUsedBytes);
const temperature = (sample: Sample) => smallint(sample.temperatureCelsius);
const power = (sample: Sample) => integer(sample.powerMilliwatts);
const smClock = (sample: Sample) => integer(sample.smMhz);
const memoryClock = (sample: Sample) => integer(sample.memoryMhz);
const memoryTemperature = (sample: Sample) => smallint(sample.memoryTemperatureCelsius);
const energy = (sample: Sample) => whole(sample.energyJoules);
const throttle = (sample: Sample) => bits(sample.throttleBits);
const pcieSent = (sample: Sample) => integer(sample.pcieTxKilobytes);
const pcieReceived = (sample: Sample) => integer(sample.pcieRxKilobytes);
const nvlinkSent = (sample: Sample) => integer(sample.nvlinkTxKilobytes);
const nvlinkReceived = (sample: Sample) => integer(sample.nvlinkRxKilobytes);
const eccCorrected = (sample: Sample) => integer(sample.eccCorrected);
const eccUncorrected = (sample: Sample) => integer(sample.eccUncorrected);

const width = { smallint: 2, integer: 4, bigint: 8 } as const;

/** Many nodes have nothing to say of some figures: four bytes for all their GPUs. */
function writeArrayOrNull(
  buffer: Buffer,
  start: number,
  type: Figure,
  samples: readonly Sample[],
  figure: (sample: Sample) => number | undefined,
): number {
  for (const sample of samples) {
    if (figure(sample) !== undefined) return writeArray(buffer, start, type, samples, figure);
  }
  return buffer.writeInt32BE(-1, start);
}

function writeArray(
  buffer: Buffer,
  start: number,
  type: Figure,
  samples: readonly Sample[],
  figure: (sample: Sample) => number | undefined,
): number {
  let end = start + 4 + arrayHeader;
  let nulls = 0;
  for (const sample of samples) {
    const value = figure(sample);
    if (value === undefined) {
      nulls = 1;
      end = buffer.writeInt32BE(-1, end);
      continue;
    }
    end = buffer.writeInt32BE(width[type], end);
    if (type === 'smallint') end = buffer.writeInt16BE(value, end);
    else if (type === 'integer') end = buffer.writeInt32BE(value, end);
    else end = writeInt64(buffer, value, end);
  }
  writeArrayHeader(buffer, start + 4, oid[type], samples.length, nulls);
  if (samples.length === 0) end = start + 4 + 12;
  buffer.writeInt32BE(end - start - 4, start);
  return end;
}

/** An empty array has no dimensions, and its header ends after the type. */
function writeArrayHeader(buffer: Buffer, start: number, type: number, length: number, nulls: number): void {
  buffer.writeInt32BE(length === 0 ? 0 : 1, start);
  buffer.writeInt32BE(nulls, start + 4);
  buffer.writeInt32BE(type, start + 8);
  if (length === 0) return;
  buffer.writeInt32BE(length, start + 12);
  buffer.writeInt32BE(1, start + 16);
}

/** An integer of at most 53 bits. */
function writeInt64(buffer: Buffer, value: number, start: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  buffer.writeInt32BE(high, start);
  return buffer.writeUInt32BE(value - high * 0x1_0000_0000, start + 4);
}

function isSame(names: readonly string[], samples: readonly Sample[]): boolean {
  if (names.length !== samples.length) return false;
  for (let place = 0; place < names.length; place++) if (names[place] !== samples[place]?.gpu) return false;
  return true;
}

function encodeNames(names: readonly string[]): Buffer {
  const start = Buffer.alloc(names.length === 0 ? 12 : arrayHeader);
  writeArrayHeader(start, 0, oid.text, names.length, 0);
  const elements = names.flatMap((name) => {
    const text = Buffer.from(name);
    const length = Buffer.alloc(4);
    length.writeInt32BE(text.length);
    return [length, text];
  });
  return Buffer.concat([start, ...elements]);
}
