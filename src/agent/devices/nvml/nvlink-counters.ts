// What a GPU counts on its NVLinks: errors and traffic. Every generation of the hardware counts in fields of its own
// (NVML_FI_DEV_NVLINK_* of nvml.h), so each is asked for until one is answered.

import { present, presentOrNone, tolerate } from '../absence.ts';
import type { DeviceReadings } from '../record.ts';
import type { Field } from './layouts.ts';
import { type DeviceHandle, FAILED, type FieldValue, type NvmlLibrary } from './library.ts';

type Errors = NonNullable<DeviceReadings['nvlinkErrors']>;
type Counter = keyof Errors;

/** ERROR_DL_CRC, ERROR_DL_REPLAY and ERROR_DL_RECOVERY, of one link; what Hopper has. */
const linkErrors: Record<Counter, number> = { crc: 163, replay: 161, recovery: 162 };
/** The totals over all links up to Ampere: CRC_FLIT and CRC_DATA, REPLAY, RECOVERY. */
const totalErrors: Record<Counter, readonly number[]> = { crc: [38, 45], replay: [52], recovery: [59] };
/** COUNT_LINK_RECOVERY_EVENTS, of one link; what Blackwell has left of them. */
const LINK_RECOVERIES = 215;
/** THROUGHPUT_DATA_TX and THROUGHPUT_DATA_RX, in KiB since the driver was loaded; up to Hopper. */
const traffic = { tx: 138, rx: 139 };
/** COUNT_XMIT_BYTES and COUNT_RCV_BYTES, of one link; from Blackwell on. */
const linkTraffic = { tx: 202, rx: 204 };
/** LINK_COUNT. */
const LINK_COUNT = 91;

const ALL_LINKS = 0xffffffff;
/** NVML_NVLINK_MAX_LINKS of nvml.h. */
const MAX_LINKS = 36;
const BYTES_PER_KIBIBYTE = 1024;

/** Errors over all of the device's links; undefined where it counts none. */
export function readNvlinkErrors(nvml: NvmlLibrary, device: DeviceHandle, links: number): Errors | undefined {
  const counter = (read: (counter: Counter) => number | undefined) =>
    presentOrNone({ crc: read('crc'), replay: read('replay'), recovery: read('recovery') });
  const perLink = readSums(nvml, device, {
    crc: ofEachLink(linkErrors.crc, links),
    replay: ofEachLink(linkErrors.replay, links),
    recovery: ofEachLink(linkErrors.recovery, links),
  });
  const found = counter((name) => perLink?.[name]);
  if (found) return found;
  const totals = readSums(nvml, device, {
    crc: ofDevice(totalErrors.crc),
    replay: ofDevice(totalErrors.replay),
    recovery: ofDevice(totalErrors.recovery),
    linkRecoveries: ofEachLink(LINK_RECOVERIES, links),
  });
  return counter((name) => totals?.[name] ?? (name === 'recovery' ? totals?.linkRecoveries : undefined));
}

/** What the device has sent and received over all of its links. */
export function readNvlinkTraffic(nvml: NvmlLibrary, device: DeviceHandle) {
  const kibibytes = readSums(nvml, device, { tx: ofAllLinks(traffic.tx), rx: ofAllLinks(traffic.rx) });
  if (kibibytes?.tx !== undefined || kibibytes?.rx !== undefined) {
    return present({ nvlinkTxBytes: inBytes(kibibytes.tx), nvlinkRxBytes: inBytes(kibibytes.rx) });
  }
  const links = readSums(nvml, device, { count: ofDevice([LINK_COUNT]) })?.count ?? 0;
  if (links === 0) return {};
  const bytes = readSums(nvml, device, {
    tx: ofEachLink(linkTraffic.tx, links),
    rx: ofEachLink(linkTraffic.rx, links),
  });
  return present({ nvlinkTxBytes: bytes?.tx, nvlinkRxBytes: bytes?.rx });
}

function ofDevice(ids: readonly number[]): Field[] {
  return ids.map((id) => ({ id, scope: 0 }));
}

function ofAllLinks(id: number): Field[] {
  return [{ id, scope: ALL_LINKS }];
}

function ofEachLink(id: number, links: number): Field[] {
  return Array.from({ length: Math.min(links, MAX_LINKS) }, (_, scope) => ({ id, scope }));
}

/** The sum of each list of fields, all of them asked for in one call. */
function readSums<Name extends string>(
  nvml: NvmlLibrary,
  device: DeviceHandle,
  lists: Record<Name, Field[]>,
): Record<Name, number | undefined> | undefined {
  const entries = Object.entries<Field[]>(lists);
  const values = tolerate(() =>
    nvml.fieldValues(
      device,
      entries.flatMap(([, fields]) => fields),
    ),
  );
  if (values === undefined) return undefined;
  const sums = entries.map(([name, fields]) => [name, sum(values.splice(0, fields.length))]);
  return Object.fromEntries(sums) as Record<Name, number | undefined>;
}

/** Undefined where none is supported, and where one failed: a sum without it would seem to have shrunk, then to grow. */
function sum(values: readonly FieldValue[]): number | undefined {
  let total: number | undefined;
  for (const value of values) {
    if (value === FAILED) return undefined;
    if (value !== undefined) total = (total ?? 0) + value;
  }
  return total;
}

function inBytes(kibibytes: number | undefined): number | undefined {
  return kibibytes === undefined ? undefined : kibibytes * BYTES_PER_KIBIBYTE;
}
