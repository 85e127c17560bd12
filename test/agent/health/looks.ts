// A device whose looks and clock a test makes.
import type { DeviceReadings, DeviceRecord } from '../../../src/agent/devices/record.ts';
import type { DeviceState, DeviceView } from '../../../src/agent/devices/view.ts';
import { HealthBook, type HealthBookOptions } from '../../../src/agent/health/health-book.ts';
import { consecutiveLooks } from '../../../src/agent/health/recovery.ts';

export const quietPeriod = 60_000;

/** What a test says of one look; the readings are new ones unless they are left out by `null`. */
export interface LookChanges {
  readonly state?: DeviceState;
  readonly uuid?: string;
  readonly record?: Partial<DeviceRecord>;
  readonly readings?: { readonly [Name in keyof DeviceReadings]?: DeviceReadings[Name] | undefined } | null;
  /** How much time passes before, in milliseconds. */
  readonly after?: number;
}

/** A book of devices under a clock of its own. */
export function newBook(options: Partial<HealthBookOptions> = {}) {
  const clock = { now: 1_000_000 };
  const xids: unknown[] = [];
  const book = new HealthBook({
    quietPeriod,
    probe: consecutiveLooks,
    clock: () => clock.now,
    xids: { ignored: new Set([13, 31, 43, 45, 68, 109]), fatal: new Set() },
    onXid: (code, found) => xids.push([code, found]),
    ...options,
  });
  const views = new Map<string, DeviceView>();
  const look = (changes: LookChanges = {}) => {
    clock.now += changes.after ?? 5_000;
    const view = viewOf(changes, clock.now);
    // As from a supervisor, which changes its views in place.
    const known = Object.assign(views.get(view.uuid) ?? view, view);
    views.set(view.uuid, known);
    return book.look(known);
  };
  /** Type and reason of what is the matter. */
  const found = (uuid = 'GPU-A') => book.findings(uuid).map(({ type, reason }) => `${type}/${reason}`);
  const xid = (data: number, more: object = { uuid: 'GPU-A' }) => book.report('nvml', { kind: 'xid', data, ...more });
  return { book, clock, look, found, xid, xids };
}

function viewOf({ state = 'ok', uuid = 'GPU-A', record, readings = {} }: LookChanges, now: number): DeviceView {
  return {
    uuid,
    condition: 'NVMLReady',
    source: 'nvml',
    state,
    message: state === 'ok' ? '' : `it is ${state}`,
    record: { index: 0, uuid, vendor: 'nvidia', ...record },
    ...(readings !== null && { readings: readingsOf({ timeMs: now, recoveryAction: 'none', ...readings }) }),
  };
}

/** What is undefined is absent. */
function readingsOf(readings: object): DeviceReadings {
  return JSON.parse(JSON.stringify(readings)) as DeviceReadings;
}
