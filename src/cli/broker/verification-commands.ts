// The commands for verifications: what was found out about GPUs, and what can be asked of them.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FitRequest, VerificationQuery } from '../../api/verifications.ts';
import { figureNames } from '../../score/figures.ts';
import { command, type Flags, given, listed, textOf, timeOf } from './command.ts';
import { brokerGroup } from './run.ts';

/** Adds them; `done` receives the exit code of a command that is not simply done. */
export function addVerificationCommands(program: Command, done: (exitCode: number) => void): void {
  const group = brokerGroup(
    program,
    'verifications',
    'what GPUs were measured at, and what they have proven',
    'gpubroker verifications list --outcome failed',
  );
  addReading(group);
  addAsking(group, done);
}

const file = () => import('./verifications.ts');

function addReading(group: Command): void {
  listed(
    group,
    'list',
    'show a line for each measurement and proof, newest first',
    'gpubroker verifications list --node 0198… --kind proof --since 24h',
    async (client, json, flags) => {
      const query = given<VerificationQuery>({
        gpu_id: textOf(flags.gpu),
        node_id: textOf(flags.node),
        provider_id: textOf(flags.provider),
        kind: textOf(flags.kind) as VerificationQuery['kind'],
        outcome: textOf(flags.outcome) as VerificationQuery['outcome'],
        since: textOf(flags.since),
      });
      await (await file()).listVerifications(client, json, query, flags.limit);
    },
  )
    .option('--gpu <id>', 'of this GPU alone')
    .option('--node <id>', 'of this node alone')
    .option('--provider <id>', 'of this provider alone')
    .addOption(new Option('--kind <kind>').choices(['measurement', 'proof']))
    .addOption(new Option('--outcome <outcome>').choices(['passed', 'failed', 'unsupported']))
    .addOption(new Option('--since <time>', 'not older, or so long ago at most').argParser(timeOf));
  command(
    group,
    'show <id>',
    'show one with its figures and its evidence',
    'gpubroker verifications show 0198… --json | jq .evidence',
    async (client, json, _flags, id = '') => (await file()).showVerification(client, json, id),
  );
  command(
    group,
    'watch',
    'show what is measured and proven as it happens, until Ctrl-C',
    'gpubroker verifications watch --json | jq .data.label',
    async (client, json) => {
      const { watchVerifications } = await file();
      const { untilInterrupted } = await import('./follow.ts');
      await untilInterrupted((stop) => watchVerifications(client, json, stop));
    },
  );
}

function addAsking(group: Command, done: (exitCode: number) => void): void {
  command(
    group,
    'challenge <node>',
    'challenge all free GPUs of a node at once, now; fails where one of them does',
    'gpubroker verifications challenge 0198…',
    async (client, json, _flags, id = '') => done(await (await file()).challengeNode(client, json, id)),
  );
  const fit = command(
    group,
    'fit <gpu>',
    'say whether a GPU fits a request, wish by wish; fails where it does not',
    'gpubroker verifications fit 0198… --product H100 --label-min challenge-verified --score-min 80',
    async (client, json, flags, id = '') => done(await (await file()).checkFit(client, json, id, wishesOf(flags))),
  );
  addWishes(fit);
}

function addWishes(fit: Command): void {
  const number = (flags: string, description: string) => new Option(flags, description).argParser(numberOf);
  fit
    .option('--product <product>', 'the id of a product, or an alias')
    .option('--vendor <vendor>', 'who makes it')
    .option('--model <model>', 'the exact name that the driver gives')
    .addOption(number('--memory-gb-min <number>', 'GiB'))
    .addOption(number('--memory-gb-max <number>', 'GiB'))
    .option('--compute-capability-min <version>', 'for instance 8.9')
    .option('--driver-version-min <version>', 'for instance 570.86')
    .addOption(new Option('--health <health>').choices(['healthy', 'unhealthy', 'unknown']))
    .addOption(new Option('--status <status>').choices(['available', 'allocated', 'maintenance']))
    .addOption(
      new Option('--label-min <label>', 'this label or a better one').choices([
        'simulated',
        'self-reported',
        'measured',
        'challenge-verified',
      ]),
    )
    .addOption(number('--score-min <number>', '0 to 100'))
    .addOption(
      new Option('--figure <name=value>', 'no worse than this in its newest measurement; may be given again')
        .default({}, 'none')
        .argParser(figureOf),
    );
}

function wishesOf(flags: Flags): FitRequest {
  const figures = flags.figure as NonNullable<FitRequest['figures']>;
  return given<FitRequest>({
    product: textOf(flags.product),
    vendor: textOf(flags.vendor),
    model: textOf(flags.model),
    memory_gb_min: flags.memoryGbMin as number | undefined,
    memory_gb_max: flags.memoryGbMax as number | undefined,
    compute_capability_min: textOf(flags.computeCapabilityMin),
    driver_version_min: textOf(flags.driverVersionMin),
    health: flags.health as FitRequest['health'],
    status: flags.status as FitRequest['status'],
    label_min: flags.labelMin as FitRequest['label_min'],
    score_min: flags.scoreMin as number | undefined,
    figures: Object.keys(figures).length > 0 ? figures : undefined,
  });
}

function numberOf(text: string): number {
  const number = /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) throw new InvalidArgumentError('Give a number.');
  return number;
}

/** For a flag that takes a figure, and may be given again. */
function figureOf(text: string, before: Readonly<Record<string, number>>): Record<string, number> {
  const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(text) ?? [];
  if (!figureNames.some((one) => one === name)) {
    throw new InvalidArgumentError(`Give NAME=VALUE, where NAME is ${figureNames.join(', ')}.`);
  }
  return { ...before, [name]: numberOf(value) };
}
