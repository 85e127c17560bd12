// The commands `gpubroker simulate …`: their names and flags. What they do is in simulate.ts.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { present } from '../agent/devices/absence.ts';
import { recoveryActions, throttleReasons } from '../agent/devices/record.ts';
import { type NodeOptions, nodeCommand, withNode } from './node-command.ts';
import type { GivenFaults } from './simulate.ts';

type FaultOptions = NodeOptions & GivenFaults & { readonly gpu: string };
type ClearOptions = NodeOptions & { readonly gpu?: string };

/** Adds them. They are for daemons with simulated GPUs only. */
export function addSimulateCommands(program: Command): void {
  const simulate = program
    .command('simulate')
    .helpCommand(false)
    .description('make simulated GPUs sick, and well again')
    .addHelpText('after', '\nExample:\n  gpubroker simulate fault --gpu 3 --xid 79 --lost');
  const fault = nodeCommand(
    simulate,
    'fault',
    'give a simulated GPU a fault, beside those that it has',
    'gpubroker simulate fault --gpu 3 --xid 79 --lost\n  gpubroker simulate fault --gpu 51aa --ecc-uncorrected 1 --remap-pending --recovery-action reset',
  ).requiredOption('--gpu <gpu>', 'its index, its UUID, or how its UUID begins');
  for (const option of faultOptions()) fault.addOption(option);
  fault.action(async ({ gpu, socket, address, tlsCa, timeout, json, ...given }: FaultOptions) => {
    const { addFaults } = await import('./simulate.ts');
    const node = present({ socket, address, tlsCa, json });
    await withNode({ ...node, timeout }, (client) => addFaults(client, node, gpu, given));
  });
  nodeCommand(simulate, 'clear', 'take faults back: all of them, or those of one GPU', 'gpubroker simulate clear')
    .option('--gpu <gpu>', 'of this one only')
    .action(async (options: ClearOptions) => {
      const { clearFaults } = await import('./simulate.ts');
      await withNode(options, (client) => clearFaults(client, options, options.gpu));
    });
  nodeCommand(simulate, 'list', 'show the faults that simulated GPUs have', 'gpubroker simulate list').action(
    async (options: NodeOptions) => {
      const { listFaults } = await import('./simulate.ts');
      await withNode(options, (client) => listFaults(client, options));
    },
  );
}

function faultOptions(): Option[] {
  const number = (flag: string, description: string) =>
    new Option(`${flag} <number>`, description).argParser(parseNumber);
  return [
    number('--xid', 'the driver reports this XID, once'),
    number('--gpu-instance', 'the XID is of this GPU instance'),
    number('--compute-instance', 'and of this compute instance in it'),
    new Option('--lost', 'it has fallen off the bus'),
    new Option('--removed', 'it is not there any more'),
    new Option('--reset-required', 'it answers nothing until it is reset'),
    new Option('--failed <message>', 'every call for it fails with this message'),
    new Option('--hang', 'calls for it do not return'),
    number('--ecc-corrected', 'so many more memory errors that were corrected'),
    number('--ecc-uncorrected', 'so many more that could not be'),
    number('--remapped-rows', 'so many more memory rows were replaced for uncorrected errors'),
    new Option('--remap-pending', 'a row waits for a reset to be replaced'),
    new Option('--remap-failed', 'a row could not be replaced'),
    number('--retired-pages', 'so many more memory pages were retired for uncorrected errors'),
    new Option('--retired-pending', 'a page waits for a reset to be retired'),
    number('--temperature', 'it is this hot, in °C'),
    number('--memory-temperature', 'its memory is this hot, in °C'),
    new Option('--throttle <reasons...>', 'its clocks are lowered').choices(throttleReasons),
    new Option('--nvlink-down <links...>', 'these NVLinks are down').argParser(parseNumbers),
    number('--nvlink-errors', 'so many more NVLink transmissions had a wrong checksum'),
    number('--pcie-replays', 'so many more PCIe packets were sent again'),
    new Option('--recovery-action <action>', 'the driver says that this should be done').choices(recoveryActions),
  ];
}

function parseNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0 on.');
  return Number(text);
}

function parseNumbers(text: string, before: readonly number[] = []): number[] {
  return [...before, ...text.split(',').map(parseNumber)];
}
