// The commands `gpubroker bench …` and `gpubroker proof …`: their names and flags.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BenchmarkName, benchmarkNames } from '../score/figures.ts';
import { wrongUsage } from './errors.ts';
import { exitCodesHelp } from './exit-codes.ts';
import type { Choice } from './measurement-compare.ts';
import type { DeviceOrder } from './measurement-device.ts';
import type { SelfTestOptions } from './measurement-proof.ts';
import { type NodeOptions, nodeCommand, withNode } from './node-command.ts';

interface RunOptions extends NodeOptions {
  readonly device?: number;
  readonly effort: DeviceOrder['effort'];
  readonly only?: readonly BenchmarkName[];
}

const deviceHelp = 'which one, as `gpubroker bench devices` numbers them';

/** Two paragraphs, each on one line: it is wrapped as wide as the terminal. */
const runHelp = [
  'measure GPUs through the daemon of this node: those that are named, or all that are free',
  'A GPU that is sold, held by a pod or busy is not measured, and a measurement ends when somebody wants the GPU. With --device, a device of this machine is measured without a daemon: then it is you who sees to it that nobody else has it meanwhile, and nothing is kept.',
].join('\n\n');

/** Adds them. `done` receives the exit code of a command that is not simply done. */
export function addMeasurementCommands(program: Command, done: (exitCode: number) => void): void {
  const bench = program
    .command('bench')
    .helpCommand(false)
    .description('measure what GPUs compute and move')
    .addHelpText('after', '\nExample:\n  gpubroker bench run --effort quick');
  command(bench, 'devices', 'show the devices of this machine that can be measured', 'gpubroker bench devices').action(
    async ({ json = false }: { json?: boolean }) => (await import('./measurement-device.ts')).showDevices(json),
  );
  addRunCommand(bench, done);
  addKeptCommands(bench);
  addProofCommands(program);
}

function addRunCommand(bench: Command, done: (exitCode: number) => void): void {
  nodeCommand(bench, 'run [gpus...]', runHelp, 'gpubroker bench run gpu-4f1f… --only fp32,memory-bandwidth')
    .summary('measure GPUs')
    .addOption(
      new Option('--effort <effort>', 'how often and how long')
        .choices(['quick', 'normal', 'thorough'])
        .default('normal'),
    )
    .addOption(new Option('--only <benchmarks>', 'these alone, separated by commas').argParser(parseBenchmarks))
    .addOption(wholeNumber('--device <number>', `a device of this machine, without a daemon: ${deviceHelp}`))
    .action(async (gpus: string[], options: RunOptions) => {
      const { device, effort, only: names = benchmarkNames, json = false } = options;
      if (device !== undefined) {
        if (gpus.length > 0) throw wrongUsage('--device does not go together with names of GPUs');
        return (await import('./measurement-device.ts')).runOnDevice({ device, effort, names }, json);
      }
      const stop = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
      const request = { gpus, effort, benchmarks: [...(options.only ?? [])] };
      return withNode(options, async (client) =>
        done(await (await import('./measurement-run.ts')).runMeasurement(client, request, json, stop.signal)),
      );
    });
}

function addKeptCommands(bench: Command): void {
  nodeCommand(bench, 'show [gpu]', 'show what was measured, the newest first', 'gpubroker bench show gpu-4f1f…')
    .addOption(wholeNumber('--limit <n>', 'at most so many of each GPU, 0 for all (default: 10, of one GPU 1)'))
    .action((gpu: string | undefined, options: NodeOptions & { limit?: number }) =>
      withNode(options, async (client) =>
        (await import('./measurement-show.ts')).showMeasurements(client, gpu, options.limit, options.json ?? false),
      ),
    );
  nodeCommand(
    bench,
    'compare <gpu>',
    'show the newest measurement of a GPU beside its own earlier ones',
    'gpubroker bench compare gpu-4f1f… --with-gpu gpu-77a0…',
  )
    .addOption(new Option('--with <id>', 'beside this measurement instead').conflicts('withGpu'))
    .option('--with-gpu <gpu>', 'beside the newest of this GPU instead')
    .action((gpu: string, options: NodeOptions & Choice) =>
      withNode(options, async (client) =>
        (await import('./measurement-compare.ts')).compareMeasurements(client, gpu, options, options.json ?? false),
      ),
    );
}

function addProofCommands(program: Command): void {
  const proof = program
    .command('proof')
    .helpCommand(false)
    .description('prove what a device is by work that is checked')
    .addHelpText('after', '\nExample:\n  gpubroker proof self-test');
  command(
    proof,
    'self-test',
    'both sides of a proof on this machine: the work, and the verdict',
    'gpubroker proof self-test --size 1024',
  )
    .addOption(wholeNumber('--device <number>', deviceHelp).default(0))
    .addOption(wholeNumber('--size <n>', 'rows and columns of the matrices, a multiple of 128').default(512))
    .addOption(wholeNumber('--rounds <n>', 'products, each of the one before').default(3))
    .addOption(wholeNumber('--rows <n>', 'rows that are opened').default(48))
    .action(async (options: SelfTestOptions) => (await import('./measurement-proof.ts')).selfTest(options));
}

/** A command that needs no daemon. */
function command(parent: Command, name: string, description: string, example: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`);
}

function wholeNumber(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
    return Number(text);
  });
}

function parseBenchmarks(text: string): BenchmarkName[] {
  const given = text.split(',').map((one) => one.trim());
  const unknown = given.find((name) => !benchmarkNames.some((known) => known === name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(
      `there is no benchmark ${JSON.stringify(unknown)}; there are ${benchmarkNames.join(', ')}`,
    );
  return benchmarkNames.filter((name) => given.includes(name));
}
