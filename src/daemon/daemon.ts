// Runs a daemon from its arguments to its exit: options, log, probes, metrics, then its own steps.
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Address } from './address.ts';
import { type CodedError, OptionsError } from './errors.ts';
import type { HttpService } from './http-service.ts';
import { type ProcessHost, runLifecycle, type Step } from './lifecycle.ts';
import { createLog, type DaemonLog, type Log } from './logger.ts';
import { startMetricsServer } from './metrics-server.ts';
import type { CacheServerOptions } from './node-options.ts';
import { asksForHelp, helpText } from './option-flags.ts';
import { type OptionSet, resolveOptions } from './options.ts';
import { probeRoutes, startProbes } from './probes.ts';
import { Readiness } from './readiness.ts';

/** The options that this needs of any daemon. */
type CommonOptions = Pick<CacheServerOptions, 'logLevel' | 'logFormat' | 'shutdownDelay' | 'shutdownTimeout'>;

/** Where a daemon is looked after. */
export interface Endpoints {
  /** The machine's name in the log. */
  readonly node: string;
  readonly metrics: Address;
  /** Where the probes are; undefined where they are served beside the metrics. */
  readonly health?: Address;
}

/** What the steps of a daemon share. */
export interface DaemonContext<Options> {
  readonly options: Options;
  readonly log: Log;
  /** The level of the log, to be changed while running. */
  readonly logLevel: Pick<DaemonLog, 'level' | 'setLevel'>;
  readonly readiness: Readiness;
  /** Served on /metrics; holds the metrics of the process already. */
  readonly registry: Registry;
  readonly startTime: Date;
}

export interface Daemon<Options extends CommonOptions> {
  /** The command: `agent` or `cache-server`. */
  readonly name: string;
  /** One or two sentences for `--help`. */
  readonly summary: string;
  /** Command and what it does, for `--help`. */
  readonly examples: readonly (readonly [command: string, description: string])[];
  readonly options: OptionSet<Options>;
  endpoints(options: Options): Endpoints;
  /** Its own steps; they start after the probes and metrics, and stop before them. */
  steps(context: DaemonContext<Options>): readonly Step[];
}

/**
 * Runs the daemon. Exits with 0 after a signal, 1 when it cannot start or breaks, 2 when its options are wrong.
 * @returns the exit code, once `host.exit` has been called with it; after `--help`, 0.
 */
export async function runDaemon<Options extends CommonOptions>(
  daemon: Daemon<Options>,
  argv: readonly string[],
  host: ProcessHost = process,
): Promise<number> {
  if (asksForHelp(argv)) {
    process.stdout.write(
      await helpText(`gpubroker ${daemon.name}`, daemon.summary, daemon.options.table, daemon.examples),
    );
    return 0;
  }
  const resolved = resolveOrExplain(daemon.name, daemon.options, argv);
  if (!resolved) {
    host.exit(2);
    return 2;
  }
  const options = resolved.values;
  const { node, health, metrics } = daemon.endpoints(options);
  const { log, ...logLevel } = createLog({
    daemon: daemon.name,
    node,
    level: options.logLevel,
    format: options.logFormat,
  });
  for (const warning of resolved.warnings) log.warn(warning);
  const readiness = new Readiness();
  const registry = new Registry();
  // The default precision of 10 ms wakes an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  const context = { options, log, logLevel, readiness, registry, startTime: new Date() };
  const steps = [
    ...(health ? [serviceStep('health', () => startProbes({ ...health, readiness, log }))] : []),
    serviceStep('metrics', () =>
      startMetricsServer({ ...metrics, registry, log, routes: health ? undefined : probeRoutes(readiness) }),
    ),
    ...daemon.steps(context),
  ];
  const { shutdownDelay, shutdownTimeout } = options;
  return runLifecycle({ steps, log, readiness, shutdownDelay, shutdownTimeout, host });
}

/**
 * The options, or undefined after every problem was explained on standard error, a line each.
 * @throws whatever is not a problem with the options.
 */
export function resolveOrExplain<Values>(name: string, set: OptionSet<Values>, argv: readonly string[]) {
  try {
    return resolveOptions(set, { argv });
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    for (const problem of error.errors) process.stderr.write(`gpubroker ${name}: ${explain(problem)}\n`);
    return undefined;
  }
}

function explain({ message, code }: CodedError): string {
  return `${message} [${code}]`;
}

function serviceStep(name: string, start: () => Promise<HttpService>): Step {
  let service: HttpService | undefined;
  return {
    name,
    start: async () => {
      service = await start();
    },
    stop: (force) => service?.close(force),
  };
}

/** The endpoints of the daemons of a node. */
export function nodeEndpoints(
  options: Pick<CacheServerOptions, 'nodeName' | 'listenHost' | 'healthPort' | 'metricsPort'>,
): Endpoints {
  const { nodeName, listenHost: host, healthPort, metricsPort } = options;
  return { node: nodeName, health: { host, port: healthPort }, metrics: { host, port: metricsPort } };
}
