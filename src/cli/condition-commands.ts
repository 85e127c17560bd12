// The tree of `gpubroker conditions`: names, arguments, help. What a command does is in the file of its name.
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../daemon/duration.ts';
import type { Reported } from './conditions.ts';
import { type NodeOptions, nodeCommand, withNode } from './node-command.ts';

/** As whom people and scripts report. */
const operator = 'operator';

interface GpuOptions extends NodeOptions {
  readonly gpu: string;
}

interface AsProvider {
  readonly provider: string;
}

/** Adds the group to the tree. */
export function addConditionCommands(program: Command): void {
  const conditions = program
    .command('conditions')
    .helpCommand(false)
    .description("show and set the conditions of this node's GPUs, and who reports them")
    .addHelpText('after', '\nExample:\n  gpubroker conditions list');
  addList(conditions);
  addSet(conditions);
  addClear(conditions);
  addProviders(conditions);
}

function addList(conditions: Command): void {
  nodeCommand(conditions, 'list', 'show a line for each condition', 'gpubroker conditions list --gpu gpu-4f1f…')
    .option('--gpu <name>', 'of this GPU only')
    .action((options: Partial<GpuOptions> & NodeOptions) =>
      withNode(options, async (client) =>
        (await import('./conditions.ts')).listConditions(client, options.gpu, options.json ?? false),
      ),
    );
}

function addSet(conditions: Command): void {
  const example =
    'gpubroker conditions set --gpu gpu-4f1f… --type Degraded --status True --reason FanNoise --message "loud since noon"';
  asProvider(nodeCommand(conditions, 'set', "set a condition; the provider's others stay", example))
    .requiredOption('--gpu <name>', 'the GPU')
    .requiredOption('--type <type>', 'the type, for instance Degraded')
    .addOption(
      new Option('--status <status>', 'the status').choices(['True', 'False', 'Unknown']).makeOptionMandatory(),
    )
    .option('--reason <word>', 'why, in a word', '')
    .option('--message <text>', 'why, for people', '')
    .option('--action <action>', "the provider's recommended action, for instance ResetGPU; without it that stays")
    .action((options: GpuOptions & AsProvider & Reported) =>
      withNode(options, async (client) =>
        (await import('./conditions.ts')).setCondition(
          client,
          options.gpu,
          options.provider,
          options,
          options.json ?? false,
        ),
      ),
    );
}

function addClear(conditions: Command): void {
  const example = 'gpubroker conditions clear --gpu gpu-4f1f… --type Degraded';
  asProvider(nodeCommand(conditions, 'clear', 'take conditions back', example))
    .requiredOption('--gpu <name>', 'the GPU')
    .option('--type <type>', 'this one only; with the last one the recommended action goes, too')
    .action((options: GpuOptions & AsProvider & { type?: string }) =>
      withNode(options, async (client) =>
        (await import('./conditions.ts')).clearConditions(
          client,
          options.gpu,
          options.provider,
          options.type,
          options.json ?? false,
        ),
      ),
    );
}

function addProviders(conditions: Command): void {
  nodeCommand(
    conditions,
    'providers',
    'show a line for each provider: who reports conditions, and who is silent',
    'gpubroker conditions providers --json',
  ).action((options: NodeOptions) =>
    withNode(options, async (client) =>
      (await import('./condition-providers.ts')).listProviders(client, options.json ?? false),
    ),
  );
  nodeCommand(
    conditions,
    'register',
    'miss a provider that does not register itself: each of its writes is a beat',
    'gpubroker conditions register dcgm --interval 30s --type DCGMHealth',
  )
    .addArgument(new Argument('<provider>', 'its id').argParser(parseProvider))
    .addOption(
      new Option(
        '--interval <duration>',
        'how often it reports at least (default: --heartbeat-interval of the daemon)',
      ).argParser(parseInterval),
    )
    .option('--type <type...>', 'condition types that nobody else may report while it does')
    .action((provider: string, options: NodeOptions & { interval?: number; type?: string[] }) =>
      withNode(options, async (client) =>
        (await import('./condition-providers.ts')).registerProvider(
          client,
          provider,
          options.type ?? [],
          options.interval ?? 0,
          options.json ?? false,
        ),
      ),
    );
  nodeCommand(
    conditions,
    'unregister',
    'expect a provider no more; its conditions turn Unknown',
    'gpubroker conditions unregister dcgm --remove',
  )
    .addArgument(new Argument('<provider>', 'its id').argParser(parseProvider))
    .option('--remove', 'remove its conditions instead')
    .action((provider: string, options: NodeOptions & { remove?: boolean }) =>
      withNode(options, async (client) =>
        (await import('./condition-providers.ts')).unregisterProvider(
          client,
          provider,
          options.remove ?? false,
          options.json ?? false,
        ),
      ),
    );
}

/** The daemon knows the bounds; what does not fit its field must not reach the call. */
function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms && ms < 2 ** 32) return ms;
  throw new InvalidArgumentError('Give a duration with its unit, for instance 500ms, 30s or 1m.');
}

function asProvider(command: Command): Command {
  return command.addOption(
    new Option('--provider <id>', 'as whom to report').default(operator).argParser(parseProvider),
  );
}

/** What no metadata can carry must not reach the call; the daemon judges the rest. */
function parseProvider(id: string): string {
  if (/^[!-~]{1,128}$/.test(id)) return id;
  throw new InvalidArgumentError('Give at most 128 letters, digits and . : / _ -');
}
