// The errors of the command line that a person can act on.
import { defineError } from '../daemon/errors.ts';

export const wrongUsage = defineError(
  'GPUB_USAGE',
  (problem: string) => problem,
  () => '--help shows what this command takes.',
);

export const measurementFailed = defineError(
  'GPUB_MEASUREMENT_FAILED',
  (reason: string) => reason,
  () => '`gpubroker bench devices` shows what can be measured; OpenCL needs its loader and the driver of the device.',
);

export const notMeasured = defineError(
  'GPUB_NOT_MEASURED',
  (problem: string) => problem,
  () => '`gpubroker bench run` measures; `gpubroker bench show` shows what is kept.',
);

/** A node has only the packages that its own daemon needs; the broker needs them all. */
export const packageMissing = defineError(
  'GPUB_PACKAGE_MISSING',
  (name: string) => `the package ${name} is not installed here`,
  () => 'Run `npm ci` where bin/gpubroker lies: the broker, `up` and `db` need the whole of node_modules/.',
);

export const daemonUnreachable = defineError(
  'GPUB_DAEMON_UNREACHABLE',
  (address: string, reason: string, passedOver?: string) =>
    `no daemon listens on ${address} (${reason})${passedOver ? `, nor on ${passedOver}` : ''}`,
  () =>
    'Start one with `gpubroker up`, or `gpubroker agent` as a service; if one runs elsewhere, name it with --socket or --address.',
);

export const daemonLost = defineError(
  'GPUB_DAEMON_LOST',
  (address: string) => `the connection to the daemon on ${address} was lost`,
  () => 'The daemon may have been stopped or restarted; `gpubroker status` shows whether it is back.',
);

export const daemonDenied = defineError(
  'GPUB_DAEMON_DENIED',
  (address: string, passedOver?: string) =>
    `permission denied on ${address}${passedOver ? `; no daemon listens on ${passedOver}` : ''}`,
  (address, _passedOver) =>
    `Run as root or as a member of the socket's group; \`ls -l ${address}\` shows which that is.`,
);

export const daemonSilent = defineError(
  'GPUB_DAEMON_SILENT',
  (address: string, timeout: string) => `the daemon on ${address} did not answer within ${timeout}`,
  () => 'Try a longer --timeout, and look at the log of the daemon.',
);

export const gpuNotFound = defineError(
  'GPUB_GPU_NOT_FOUND',
  (name: string) => `no GPU is named ${name}`,
  () => '`gpubroker gpus list` shows the names.',
);

export const gpuRestless = defineError(
  'GPUB_GPU_RESTLESS',
  (name: string, attempts: number) =>
    `${name} was changed by others each of the ${attempts} times that this was to be written`,
  () => 'Try again; `gpubroker gpus watch` shows what changes.',
);

/** The daemon answered with an error of its own; `status` is the gRPC status in words. */
export const callFailed = defineError(
  'GPUB_CALL_FAILED',
  (status: string, reason: string) => `the daemon refused: ${reason} (${status})`,
  (status) =>
    status === 'PERMISSION_DENIED'
      ? 'Use the Unix socket on the node itself.'
      : '`gpubroker status` shows whether the daemon is ready, and why not.',
);

export const notSimulated = defineError(
  'GPUB_NOT_SIMULATED',
  (daemon: string, node: string) => `${daemon} on ${node} has no simulated GPUs`,
  () => 'Faults are for simulated GPUs only: those of `gpubroker up --sources simulated`, or of `agent` with the same.',
);

export const faultsFileUnusable = defineError(
  'GPUB_FAULTS_FILE',
  (path: string, reason: string) => `${path}: ${reason}`,
  (path) => `See that you may write ${path}, or remove it; without it no GPU has a fault.`,
);

// The broker.

export const notSignedIn = defineError(
  'GPUB_NOT_SIGNED_IN',
  (url: string) => `not signed in to ${url}`,
  (url) => `Run \`gpubroker login --broker ${url}\`, or give an API key in $GPUBROKER_API_KEY or --api-key-file.`,
);

export const brokerUnreachable = defineError(
  'GPUB_BROKER_UNREACHABLE',
  (message: string) => message,
  () => 'See that the broker runs and that --broker names its HTTP API; for a certificate of its own, give --ca.',
);
