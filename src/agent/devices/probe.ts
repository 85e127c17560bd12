// The probe process: the only one that loads a driver's library. It does what each round says, one synchronous call
// after the other, and ends when the agent does. It decides nothing (supervisor.ts does), and remembers only what it said
// of each device's health, so as not to say the same again: an idle agent pays for every byte.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HostFiles } from './host-files.ts';
import {
  type Answer,
  type Call,
  MAX_DEVICES,
  MAX_EVENTS,
  MAX_MESSAGE_LENGTH,
  type Round,
  type SourceOptions,
  type Target,
} from './protocol.ts';
import type { DeviceRecord } from './record.ts';
import { type DeviceCheck, DeviceError, type DeviceSource } from './source.ts';
import { readWitnesses } from './witnesses.ts';

/** Milliseconds. */
const LONGEST_WAIT_MS = 500;

let source: DeviceSource | undefined;
/** Where witnesses of the devices' identity are heard; undefined for devices that no host has. */
let host: HostFiles | undefined;
/** The health that was said last, by uuid. */
const said = new Map<string, string>();
let unusable: unknown = new DeviceError('failed', 'no source is open');

/** The library of a source is loaded only by the probe that needs it. */
async function createSource(options: SourceOptions): Promise<DeviceSource> {
  switch (options.name) {
    case 'simulated':
      return (await import('./simulated/source.ts')).createSimulatedSource(options);
    case 'amd':
      return (await import('./amd/source.ts')).createAmdSource(options);
    case 'intel':
      return (await import('./intel/source.ts')).createIntelSource(options);
    case 'nvml':
      return (await import('./nvml/source.ts')).createNvmlSource(options);
  }
}

async function runRound(round: Round): Promise<void> {
  for (const call of round) {
    if (call.call === 'open') await prepare(call.source);
    if (call.call === 'events') send(await answerWithin(call));
    else send(answerTo(call));
  }
}

/** Waits for events in parts, for nothing is heard meanwhile, not even that the agent has ended. */
async function answerWithin({ waitMs }: Extract<Call, { call: 'events' }>): Promise<Answer> {
  for (let left = waitMs; ; left -= LONGEST_WAIT_MS) {
    const answer = answerTo({ call: 'events', waitMs: Math.min(left, LONGEST_WAIT_MS) });
    if (left <= LONGEST_WAIT_MS || !('events' in answer) || answer.events.length > 0) return answer;
    await nextTurn();
  }
}

/** Makes the source once; what goes wrong here is said by every `open` that follows. */
async function prepare(options: SourceOptions): Promise<void> {
  try {
    source ??= await createSource(options);
    host ??= 'hostRoot' in options && options.hostRoot ? new HostFiles(options.hostRoot) : undefined;
  } catch (error) {
    unusable = error;
  }
}

function answerTo(call: Call): Answer {
  try {
    if (source === undefined) throw unusable;
    return perform(source, call);
  } catch (error) {
    return refusal(call, error);
  }
}

function perform(source: DeviceSource, call: Call): Answer {
  switch (call.call) {
    case 'open':
      source.open();
      return { call: 'open', condition: source.condition, waits: source.waits };
    case 'count':
      return { call: 'count', count: Math.min(source.count(), MAX_DEVICES) };
    case 'check':
      return { ...call, ...withNews(source.check(call.index)) };
    case 'read':
      return { ...call, record: recordOf(source, call) };
    case 'sample':
      return { ...call, readings: source.sample(call.index, call.part) };
    case 'events':
      return { call: 'events', events: source.events(call.waitMs).slice(0, MAX_EVENTS) };
    case 'close':
      source.close();
      return { call: 'close' };
  }
}

/** Whoever has a record read may not know the device yet, and hears of its health with the next look. */
function recordOf(source: DeviceSource, { index, part }: Target): DeviceRecord {
  const record = source.read(index, part);
  said.delete(record.uuid);
  // What witnesses say is of the board: an instance is its GPU's.
  return part === undefined ? withWitnesses(record) : record;
}

function withWitnesses(record: DeviceRecord): DeviceRecord {
  const witnesses = host && readWitnesses(host, record);
  return witnesses ? { ...record, witnesses } : record;
}

/** A look without the health that was said before. */
function withNews(check: DeviceCheck): DeviceCheck {
  const { parts } = check;
  return { ...onlyNews(check), ...(parts && { parts: { ...parts, seen: parts.seen.map(onlyNews) } }) };
}

function onlyNews<Look extends DeviceCheck>(check: Look): Look {
  const health = JSON.stringify(check.health);
  if (said.get(check.uuid) !== health) {
    if (said.size >= MAX_DEVICES) said.clear();
    said.set(check.uuid, health);
    return check;
  }
  const { health: _, ...rest } = check;
  return rest as Look;
}

function refusal(call: Call, error: unknown): Answer {
  const fault = error instanceof DeviceError ? error.fault : 'failed';
  const message = (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE_LENGTH);
  return { ...('index' in call ? call : { call: call.call }), fault, message };
}

/** Written to the channel before this returns, so that the answer is out when the next call hangs or crashes. */
function send(answer: Answer): void {
  // Without a callback a failed write would throw; the agent is gone then, and 'disconnect' ends this process.
  process.send?.(answer, undefined, undefined, () => {});
}

// The agent decides when its probe ends; a signal to the whole process group is meant for the agent.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('message', (round: Round) => void runRound(round));
process.on('disconnect', () => process.exit());
