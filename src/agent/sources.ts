// The sources of the agent: which ones the options ask for, one supervisor each, and what they mean for readiness.
import { join, resolve } from 'node:path';
import { defineError } from '../daemon/errors.ts';
import type { Log } from '../daemon/logger.ts';
import type { AgentOptions, SourceName } from '../daemon/node-options.ts';
import type { Readiness } from '../daemon/readiness.ts';
import type { Source } from '../wire/gpubroker/device/v1/daemon.ts';
import { automaticSources } from './automatic-sources.ts';
import type { SourceOptions } from './devices/protocol.ts';
import { PROFILES } from './devices/simulated/profiles.ts';
import { createSupervisor, type Supervisor } from './devices/supervisor.ts';
import type { DeviceListener, SourceView } from './devices/view.ts';

const profileUnknown = defineError(
  'GPUB_PROFILE_UNKNOWN',
  (profile: string) => `simulate: there is no profile ${JSON.stringify(profile)}`,
  () => `Give --simulate one of ${[...PROFILES.keys()].join(', ')}.`,
);

/** The names of the sources that the options ask for; for `auto`, those that this machine has cards for now. */
export function sourceNames(options: AgentOptions): readonly SourceName[] {
  return options.sources === 'auto' ? automaticSources(options.hostRoot) : options.sources;
}

/**
 * How to make a source.
 *
 * @throws CodedError for a profile that does not exist
 */
export function sourceOptions(name: SourceName, options: AgentOptions): SourceOptions {
  if (name === 'nvml') {
    const { nvmlLibrary: library, driverRoot, hostRoot } = options;
    return { name, library, driverRoot: driverRoot || undefined, hostRoot };
  }
  const host = { hostRoot: options.hostRoot, nodeName: options.nodeName };
  if (name === 'amd') return { name, ...host };
  if (name === 'intel') return { name, ...host, levelZeroLibrary: options.levelZeroLibrary };
  if (!PROFILES.has(options.simulate)) throw profileUnknown(options.simulate);
  return { name, profile: options.simulate, faultsFile: faultsFile(options), nodeName: options.nodeName };
}

/** The supervisor of a source, with the intervals and deadlines of the options; it is not started yet. */
export function superviseSource(
  source: SourceOptions,
  options: AgentOptions,
  listener: DeviceListener,
  log: Log,
): Supervisor {
  return createSupervisor({
    source,
    interval: options.probeInterval,
    deadline: options.probeDeadline,
    initDeadline: options.probeInitDeadline,
    telemetryInterval: options.telemetryInterval,
    listener,
    log,
  });
}

/**
 * Keeps the readiness up to date. A source is ready once a look at all its devices has identified one, or found that
 * there is none. Not before: where every device refuses, nothing that is served can be true. But a device that refuses
 * beside others that answer is a warning only, or one lost GPU would keep a node unready through every restart. What
 * goes wrong later is a warning too, for then the GPUs are served as Unknown.
 */
export function judgeSource(readiness: Readiness, source: SourceView): void {
  const { name, state, message, enumerated } = source;
  if (!enumerated) readiness.notReady(name, message || 'its devices have not been looked at yet');
  else if (state !== 'running') readiness.warn(name, message || state);
  else if (message !== '') readiness.warn(name, message);
  else readiness.ok(name);
}

/** Where the simulated source finds its faults. */
function faultsFile({ simulateFaults, dataDir }: AgentOptions): string {
  return resolve(simulateFaults || join(dataDir, 'faults.json'));
}

/** A source as GetStatus shows it. */
export function toSource({ name, state, message, devices, restarts }: SourceView, options: AgentOptions): Source {
  return {
    name,
    state,
    message,
    devices,
    restarts,
    faultsFile: name === 'simulated' ? faultsFile(options) : undefined,
  };
}
