// `gpubroker up`: the agent on any machine with one command. Where no GPU is found it simulates some, and says so.
import { type Daemon, type DaemonContext, nodeEndpoints, runDaemon } from '../daemon/daemon.ts';
import type { AgentOptions, SourceName } from '../daemon/node-options.ts';
import { upOptions } from '../daemon/up-options.ts';
import { agentSteps } from './agent.ts';
import { whyNoDevice } from './first-look.ts';
import { sourceNames } from './sources.ts';

const up: Daemon<AgentOptions> = {
  name: 'up',
  summary: 'Serves the GPUs of this machine. Without a GPU it simulates some, so that everything can be tried.',
  examples: [
    ['gpubroker up', 'Serve what is here; Ctrl-C ends it'],
    ['gpubroker up --simulate h200x1', 'Without a GPU, simulate one H200'],
  ],
  options: upOptions,
  endpoints: nodeEndpoints,
  steps: (context) => agentSteps(context, 'up', chooseSources),
};

/** Runs until it is told to stop; returns the exit code. */
export function runUp(argv: readonly string[]): Promise<number> {
  return runDaemon(up, argv);
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
