// `gpubroker up`: both daemons on this machine with one command. Where no GPU is found it simulates some, and says so.
//
// This process is the agent. The broker is a child process of its own, with its own memory; when it serves, the agent
// joins it as any node joins.
import { agentSteps } from '../agent/agent.ts';
import { whyNoDevice } from '../agent/first-look.ts';
import { sourceNames } from '../agent/sources.ts';
import { type Daemon, type DaemonContext, nodeEndpoints, runDaemon } from '../daemon/daemon.ts';
import type { Step } from '../daemon/lifecycle.ts';
import type { AgentOptions, SourceName } from '../daemon/node-options.ts';
import { type UpOptions, upOptions } from '../daemon/up-options.ts';
import { BrokerProcess } from './broker-process.ts';
import { prepareJoining } from './join.ts';

const up: Daemon<UpOptions> = {
  name: 'up',
  summary:
    'Serves the GPUs of this machine, and runs a broker that they are joined to. Without a GPU it simulates some, so ' +
    'that everything can be tried.',
  examples: [
    ['gpubroker up', 'Serve what is here; Ctrl-C ends it'],
    ['gpubroker up --simulate h200x1', 'Without a GPU, simulate one H200'],
    ['gpubroker up --broker=false', 'Without a broker'],
  ],
  options: upOptions,
  endpoints: nodeEndpoints,
  steps: upSteps,
};

/** Runs until it is told to stop; returns the exit code. */
export function runUp(argv: readonly string[]): Promise<number> {
  return runDaemon(up, argv);
}

function upSteps(context: DaemonContext<UpOptions>): readonly Step[] {
  const { options, log } = context;
  // Who names a broker wants that one.
  if (!options.broker || options.brokerUrl !== '') return agentSteps(context, 'up', { choose: chooseSources });
  const folder = brokerFolder(options.dataDir);
  const broker = new BrokerProcess({ flags: brokerFlags(options, folder), log, random: Math.random });
  const local = { agentFolder: options.dataDir, log, folder, pid: () => broker.pid, hasFailed: () => broker.hasFailed };
  const join = (abort: AbortSignal) => prepareJoining(local, abort);
  return [
    { name: 'broker process', start: () => broker.start(), stop: (force) => broker.stop(force) },
    ...agentSteps(context, 'up', { choose: chooseSources, join }),
  ];
}

/** Beside the agent's: as the broker's own default lies beside the agent's. */
function brokerFolder(agentFolder: string): string {
  return `${agentFolder.replace(/\/+$/, '')}-broker`;
}

function brokerFlags(options: UpOptions, folder: string): string[] {
  const flags = {
    'data-dir': folder,
    'http-address': options.httpAddress,
    'node-link-address': options.nodeLinkAddress,
    'metrics-address': options.brokerMetricsAddress,
    'heartbeat-interval': `${options.heartbeatInterval}ms`,
    'shutdown-timeout': `${options.shutdownTimeout}ms`,
    'log-format': options.logFormat,
    'log-level': options.logLevel,
  };
  return ['--allow-simulated', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
}

/** The real sources if one shows a GPU; else, unless sources were named, the simulated one. */
async function chooseSources(
  { options, log }: DaemonContext<AgentOptions>,
  abort: AbortSignal,
): Promise<readonly SourceName[]> {
  const names = sourceNames(options);
  if (options.sources !== 'auto') return names;
  const reasons: string[] = [];
  for (const name of names) {
    const reason = await whyNoDevice(name, options, log, abort);
    if (reason === undefined) return names;
    reasons.push(`${name}: ${reason}`);
  }
  log.warn(
    { reasons },
    `No GPU was found on this machine, so these GPUs are SIMULATED (${options.simulate}): good for trying things out, ` +
      'worth nothing for work. On a GPU machine, run this command again.',
  );
  return ['simulated'];
}
