// What the agent and its probe process say to each other: plain JSON over Node's IPC channel. The agent sends a round
// of calls; the probe makes them one after the other and answers each before it begins the next. So the first call
// without an answer is the one in flight, and when it never comes back its index names the device that hangs. Several
// calls in one message, because an idle agent pays for every time that a process wakes up.
import type { IntelSourceOptions } from './intel/source.ts';
import type { DeviceReadings, DeviceRecord } from './record.ts';
import type { SimulatedSourceOptions } from './simulated/source.ts';
import type { DeviceCheck, DeviceEvent, DeviceFault } from './source.ts';
import type { SysfsSourceOptions } from './sysfs/source.ts';

/** Which source a probe loads, and how. */
export type SourceOptions =
  | { name: 'nvml'; library: string; driverRoot?: string | undefined; hostRoot?: string | undefined }
  | ({ name: 'amd' } & SysfsSourceOptions)
  | ({ name: 'intel' } & IntelSourceOptions)
  | ({ name: 'simulated' } & SimulatedSourceOptions);

/** A device, or with its uuid a part of the device at this index. */
export interface Target {
  index: number;
  part?: string;
}

/** A call that touches exactly one device, and of its parts either one or, in a check, all. */
export type DeviceCall = { call: 'check'; index: number } | ({ call: 'read' } & Target) | ({ call: 'sample' } & Target);

/** One call of a {@link DeviceSource}; the first one of a probe is `open`. */
export type Call =
  | { call: 'open'; source: SourceOptions }
  | { call: 'events'; waitMs: number }
  | { call: 'count' | 'close' }
  | DeviceCall;

/** From the agent: calls to make in this order. */
export type Round = Call[];

/** From the probe: what one call came to. */
export type Answer =
  | { call: 'open'; condition: string; waits: boolean }
  | { call: 'count'; count: number }
  | { call: 'events'; events: DeviceEvent[] }
  | { call: 'close' }
  | ({ call: 'check'; index: number } & DeviceCheck)
  | ({ call: 'read'; record: DeviceRecord } & Target)
  | ({ call: 'sample'; readings: DeviceReadings } & Target)
  | Refusal;

/** A call that the source answered with an error. */
export interface Refusal extends Partial<Target> {
  call: Call['call'];
  fault: DeviceFault;
  message: string;
}

/** A driver that shows more devices than this, MIG instances included, is not believed about the rest. */
export const MAX_DEVICES = 256;
/** What one round may report; the rest is dropped, for a storm of events must not fill the agent's memory. */
export const MAX_EVENTS = 1024;
/** Characters of an error message. */
export const MAX_MESSAGE_LENGTH = 500;

/** Whether an answer is an error. */
export function isRefusal(answer: Answer): answer is Refusal {
  return 'fault' in answer;
}

/** A call, or the call of an answer, in words. */
export function describe({ call, index, part }: { call: Call['call'] } & Partial<Target>): string {
  if (index === undefined) return call;
  return part === undefined ? `${call} of device ${index}` : `${call} of ${part} of device ${index}`;
}
