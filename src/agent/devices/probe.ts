// The probe process: the only one that loads a driver's library. It does what each round says, one synchronous call
// after the other, and ends when the agent does. It keeps no state of its own and decides nothing (supervisor.ts does).
import { HostFiles } from './host-files.ts';
import {
  type Answer,
  type Call,
  MAX_DEVICES,
  MAX_EVENTS,
  MAX_MESSAGE_LENGTH,
  type Round,
  type SourceOptions,
} from './protocol.ts';
import type { DeviceRecord } from './record.ts';
import { DeviceError, type DeviceSource } from './source.ts';
import { readWitnesses } from './witnesses.ts';

let source: DeviceSource | undefined;
/** Where witnesses of the devices' identity are heard; undefined for devices that no host has. */
let host: HostFiles | undefined;
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
    send(answerTo(call));
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
      return { call: 'open', condition: source.condition };
    case 'count':
      return { call: 'count', count: Math.min(source.count(), MAX_DEVICES) };
    case 'check':
      return { call: 'check', index: call.index, ...source.check(call.index) };
    case 'read':
      return { call: 'read', index: call.index, record: withWitnesses(source.read(call.index)) };
    case 'sample':
      return { call: 'sample', index: call.index, readings: source.sample(call.index) };
    case 'events':
      return { call: 'events', events: source.events(call.waitMs).slice(0, MAX_EVENTS) };
    case 'close':
      source.close();
      return { call: 'close' };
  }
}

function withWitnesses(record: DeviceRecord): DeviceRecord {
  const witnesses = host && readWitnesses(host, record);
  return witnesses ? { ...record, witnesses } : record;
}

function refusal(call: Call, error: unknown): Answer {
  const fault = error instanceof DeviceError ? error.fault : 'failed';
  const message = (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE_LENGTH);
  return { call: call.call, ...('index' in call && { index: call.index }), fault, message };
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
