// The tree of commands: names, arguments, help. What a command does is in the file of its name, loaded when it runs.
import { Argument, Command } from 'commander';
import { logLevels } from '../daemon/log-levels.ts';
import { version } from '../daemon/version.ts';
import { addBrokerCommands } from './broker/commands.ts';
import { addConditionCommands } from './condition-commands.ts';
import { daemonCommands } from './daemons.ts';
import { addDbCommands } from './db.ts';
import { exitCodesHelp } from './exit-codes.ts';
import { addJournalCommands } from './journal.ts';
import { addMeasurementCommands } from './measurement-commands.ts';
import { type NodeOptions, nodeCommand, withNode } from './node-command.ts';
import { print } from './output.ts';
import { addSimulateCommands } from './simulate-commands.ts';

/** The shells that `gpubroker completion` knows. */
const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** The whole command line. `done` receives the exit code of a command that is not simply done. */
export function createProgram(done: (exitCode: number) => void): Command {
  const program = new Command('gpubroker')
    .description('Makes every GPU safe to schedule on and easy to sell.')
    .version(version, '--version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .helpCommand(false)
    .showHelpAfterError('(--help shows what this command takes)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'gpubroker: ')) })
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  gpubroker up\n  gpubroker gpus list`)
    // commander would exit by itself, and with 1.
    .exitOverride();
  for (const [name, { summary }] of Object.entries(daemonCommands)) program.command(name).description(summary);
  addBrokerCommands(program, addGpuCommands(program), done);
  addConditionCommands(program);
  addStatusCommands(program, done);
  addSimulateCommands(program);
  addMeasurementCommands(program, done);
  addConfigCommands(program, done);
  addDbCommands(program, done);
  addJournalCommands(program, done);
  addVersionCommands(program);
  return program;
}

/** Two paragraphs, each on one line: it is wrapped as wide as the terminal. */
const declareResetHelp = [
  'say that a GPU which failed was reset where the agent did not see it, for instance while it was stopped',
  'It counts as a reset that was seen, of its MIG instances too, and heals nothing by itself: for its quiet period nothing may be the matter with the GPU, and then the probe of the agent must succeed, before it is healthy again.',
].join('\n\n');

function addGpuCommands(program: Command): Command {
  const gpus = program
    .command('gpus')
    .helpCommand(false)
    .description("show this node's GPUs, or search those of all nodes")
    .addHelpText('after', '\nExample:\n  gpubroker gpus list');
  nodeCommand(gpus, 'list', 'show a line for each GPU', 'gpubroker gpus list --json').action((options: NodeOptions) =>
    withNode(options, async (client) => (await import('./gpus-list.ts')).listGpus(client, options.json ?? false)),
  );
  nodeCommand(gpus, 'get <name>', 'show the line of one GPU', 'gpubroker gpus get gpu-4f1f… --json').action(
    (name: string, options: NodeOptions) =>
      withNode(options, async (client) => (await import('./gpus-list.ts')).getGpu(client, name, options.json ?? false)),
  );
  nodeCommand(gpus, 'describe <name>', 'show everything known of one GPU', 'gpubroker gpus describe gpu-4f1f…').action(
    (name: string, options: NodeOptions) =>
      withNode(options, async (client) =>
        (await import('./gpus-describe.ts')).describeGpu(client, name, options.json ?? false),
      ),
  );
  nodeCommand(
    gpus,
    'watch',
    'show a line for each change, until Ctrl-C',
    'gpubroker gpus watch --json | jq .gpu.health',
  ).action((options: NodeOptions) =>
    withNode(options, async (client) => {
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      await (await import('./gpus-watch.ts')).watchGpus(client, options.json ?? false, stop.signal);
    }),
  );
  nodeCommand(gpus, 'declare-reset <name>', declareResetHelp, 'gpubroker gpus declare-reset gpu-4f1f…')
    .summary('say that a GPU which failed was reset where the agent did not see it')
    .action((name: string, options: NodeOptions) =>
      withNode(options, async (client) =>
        (await import('./gpus-declare-reset.ts')).declareReset(client, name, options.json ?? false),
      ),
    );
  return gpus;
}

function addStatusCommands(program: Command, done: (exitCode: number) => void): void {
  nodeCommand(program, 'status', 'show how the daemon of this node is', 'gpubroker status --json').action(
    (options: NodeOptions) =>
      withNode(options, async (client) =>
        done(await (await import('./status.ts')).showStatus(client, options.json ?? false)),
      ),
  );
  nodeCommand(program, 'log-level', 'show or set what the daemon logs from now on', 'gpubroker log-level debug')
    .addArgument(new Argument('[level]', 'the least severe messages to log').choices(logLevels))
    .action((level: string | undefined, options: NodeOptions) =>
      withNode(options, async (client) => (await import('./status.ts')).logLevel(client, level, options.json ?? false)),
    );
}

function addConfigCommands(program: Command, done: (exitCode: number) => void): void {
  const config = program
    .command('config')
    .helpCommand(false)
    .description('show the options of a daemon')
    .addHelpText('after', '\nExample:\n  gpubroker config print agent --config /etc/gpubroker/agent.yaml');
  config
    .command('print [arguments...]')
    .usage('[agent|broker|cache-server|device-plugin|up] [flags of the daemon] [--json]')
    .description('show every option of a daemon with its value and its source')
    .helpOption(false)
    .allowUnknownOption()
    .action(async (argv: string[]) => done(await (await import('./config-print.ts')).printConfig(argv)));
}

function addVersionCommands(program: Command): void {
  program
    .command('version')
    .description('show the version')
    .addHelpText('after', '\nExample:\n  gpubroker version')
    .action(() => print(version));
  program
    .command('completion')
    .description('print a script that completes commands in a shell')
    .addArgument(new Argument('<shell>').choices(shells))
    .addHelpText('after', '\nExample:\n  source <(gpubroker completion bash)')
    .action(async (shell: Shell) => print((await import('./completion.ts')).completionScript(shell, program)));
}
