// The commands `gpubroker bench …` and `gpubroker proof …`: their names and flags. What they do is in measurement.ts.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { exitCodesHelp } from './exit-codes.ts';
import type { BenchOptions, MeasurementOptions, SelfTestOptions } from './measurement.ts';

/** Adds them. They measure devices of this machine themselves, without a daemon. */
export function addMeasurementCommands(program: Command): void {
  const bench = program
    .command('bench')
    .helpCommand(false)
    .description('measure what the devices of this machine compute and move')
    .addHelpText('after', '\nExample:\n  gpubroker bench run --effort quick');
  command(bench, 'devices', 'show the devices that can be measured', 'gpubroker bench devices --json').action(
    async (options: MeasurementOptions) => (await import('./measurement.ts')).showDevices(options),
  );
  command(bench, 'run', 'measure one device', 'gpubroker bench run --device 0 --only fp32,memory-bandwidth')
    .addOption(deviceOption())
    .addOption(
      new Option('--effort <effort>', 'how often and how long')
        .choices(['quick', 'normal', 'thorough'])
        .default('normal'),
    )
    .option('--only <benchmarks>', 'these alone, separated by commas', (text) =>
      text.split(',').map((one) => one.trim()),
    )
    .action(async (options: BenchOptions) => (await import('./measurement.ts')).runBench(options));
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
    .addOption(deviceOption())
    .addOption(number('--size <n>', 'rows and columns of the matrices, a multiple of 128', 512))
    .addOption(number('--rounds <n>', 'products, each of the one before', 3))
    .addOption(number('--rows <n>', 'rows that are opened', 48))
    .action(async (options: SelfTestOptions) => (await import('./measurement.ts')).selfTest(options));
}

function command(parent: Command, name: string, description: string, example: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`);
}

function deviceOption(): Option {
  return number('--device <number>', 'which one, as `gpubroker bench devices` numbers them', 0);
}

function number(flags: string, description: string, standard: number): Option {
  return new Option(flags, description).default(standard).argParser((text) => {
    if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
    return Number(text);
  });
}
