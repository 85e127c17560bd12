// `gpubroker up`: the agent on any machine with one command. Where no GPU is found it simulates some, and says so.
import { type Daemon, type DaemonContext, runDaemon } from '../daemon/daemon.ts';
import type { Log } from '../daemon/logger.ts';
import { type AgentOptions, agentOptions, type SourceName } from '../daemon/node-options.ts';
import { withDefaults } from '../daemon/option-kinds.ts';
import { userDataFolder, userSocket } from '../daemon/user-paths.ts';
import { agentSteps } from './agent.ts';
import { sourceNames, sourceOptions, superviseSource } from './sources.ts';

const isRoot = process.getuid?.() === 0;
/** Where somebody else holds that place, the system's socket is tried, and refused with its reason. */
const ownSocket = isRoot ? undefined : userSocket();

/** What suits a person at a terminal: any free port, readable log, no waiting; an ordinary user's own folders. */
const table = withDefaults(agentOptions.table, {
  ...(ownSocket && { 'unix-socket': ownSocket }),
  ...(!isRoot && { 'data-dir': userDataFolder() }),
  'grpc-address': '',
  'health-port': '0',
  'metrics-port': '0',
  'shutdown-delay': '0s',
  'log-format': 'text',
});

const up: Daemon<AgentOptions> = {
  name: 'up',
  summary: 'Serves the GPUs of this machine. Without a GPU it simulates some, so that everything can be tried.',
  examples: [
    ['gpubroker up', 'Serve what is here; Ctrl-C ends it'],
    ['gpubroker up --simulate h200x1', 'Without a GPU, simulate one H200'],
  ],
  options: { ...agentOptions, table },
  steps: (context) => agentSteps(context, 'up', chooseSources),
};

/** Runs until it is told to stop; returns the exit code. */
export function runUp(argv: readonly string[]): Promise<number> {
  return runDaemon(up, argv);
}

/** The real sources if one shows a GPU; else, unless sources were named, the simulated one. */
async function chooseSources({ options, log }: DaemonContext<AgentOptions>): Promise<readonly SourceName[]> {
  const names = sourceNames(options);
  if (options.sources !== 'auto') return names;
  const reasons: string[] = [];
  for (const name of names) {
    const reason = await whyNoDevice(name, options, log);
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

/** Looks once, through a probe process of its own: a driver that hangs or crashes is no reason not to start. */
function whyNoDevice(name: SourceName, options: AgentOptions, log: Log): Promise<string | undefined> {
  return new Promise((resolve) => {
    const supervisor = superviseSource(
      sourceOptions(name, options),
      options,
      {
        deviceChanged: () => settle(undefined),
        deviceRemoved: () => undefined,
        sourceChanged: ({ state, message, enumerated, devices }) => {
          if (state === 'failed') settle(message);
          else if (enumerated && devices === 0) settle('the driver shows no device');
        },
      },
      log,
    );
    const settle = (reason: string | undefined) => {
      supervisor.stop().then(() => resolve(reason));
    };
    supervisor.start();
  });
}
