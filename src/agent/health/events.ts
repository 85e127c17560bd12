// What an event of the driver means for the device that it names.
import type { DeviceEvent } from '../devices/source.ts';
import type { Finding, FindingType } from './finding.ts';
import { type XidClass, xidOf } from './xids.ts';

/** What the operator says of XIDs, over the table of xids.ts. A code in both lists is fatal. */
export interface XidSettings {
  /** Counted and logged, and no more. */
  readonly ignored: ReadonlySet<number>;
  readonly fatal: ReadonlySet<number>;
}

/** By what the driver calls an XID whose number it does not know. */
export const unknownXid = 999;

const types: Readonly<Record<XidClass, FindingType | undefined>> = {
  fatal: 'HardwareFailure',
  reset: 'ResetRequired',
  contained: 'ApplicationFault',
  application: 'ApplicationFault',
  warning: 'XidWarning',
  'read-again': undefined,
};

/** The class of a code under the operator's settings. */
export function classOf(code: number, { ignored, fatal }: XidSettings): XidClass | 'ignored' {
  if (fatal.has(code)) return 'fatal';
  return ignored.has(code) ? 'ignored' : xidOf(code).class;
}

/** What an XID means; undefined where it means nothing by itself. */
export function findingOfXid(code: number, settings: XidSettings): Finding | undefined {
  const found = classOf(code, settings);
  const type = found === 'ignored' ? undefined : types[found];
  if (type === undefined) return undefined;
  if (code === unknownXid) {
    return {
      type,
      reason: 'XidUnknown',
      message: 'the driver reported an XID without its number',
      action: 'ReportIssue',
    };
  }
  const { description, action } = xidOf(code);
  // A code that only the operator calls fatal has no remedy in the table that would suit.
  const remedy = type === 'HardwareFailure' && (action === '' || action === 'RestartApp') ? 'ResetGPU' : action;
  return { type, reason: `Xid${code}`, message: `XID ${code}: ${description}`, action: remedy };
}

/** Uncorrectable ECC errors, told by the driver or found by counting. */
export const uncorrectableEcc: Finding = {
  type: 'HardwareFailure',
  reason: 'UncorrectableEcc',
  message: 'uncorrectable ECC errors were counted',
  action: 'ResetGPU',
};

/** What an event that is no XID means; undefined where it only says that something should be read again. */
export function findingOfEvent(kind: DeviceEvent['kind']): Finding | undefined {
  if (kind === 'double-bit-ecc') return uncorrectableEcc;
  if (kind !== 'unavailable') return undefined;
  const message = 'the driver reported that the GPU is unavailable';
  return { type: 'HardwareFailure', reason: 'GpuUnavailable', message, action: 'RebootNode' };
}
