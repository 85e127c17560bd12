// `gpubroker nodes pricing`: the commands for what a node costs.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { NewNodePricing } from '../../api/pricing.ts';
import { command, countOf, given, textOf } from './command.ts';
import { moneyOf, untilOf } from './order-commands.ts';
import { brokerGroup } from './run.ts';

/** Adds `pricing …` to the group `gpubroker nodes`. */
export function addNodePricing(nodes: Command): void {
  const group = brokerGroup(nodes, 'pricing', 'at which price a node is sold', 'gpubroker nodes pricing show 0198…');
  const file = () => import('./node-pricing.ts');
  command(
    group,
    'show <id>',
    'show it, with what the node offers now',
    'gpubroker nodes pricing show 0198…',
    async (client, json, _flags, id = '') => (await file()).showPricing(client, json, id),
  );
  command(
    group,
    'set <id>',
    'sell the free GPUs of a node at a price from now on',
    'gpubroker nodes pricing set 0198… --price 2.50 --surge',
    async (client, json, flags, id = '') => {
      const pricing = given<NewNodePricing>({
        base_price: String(flags.price),
        surge_enabled: flags.surge === true,
        max_duration_hours: flags.maxHours as number | undefined,
        available_until: textOf(flags.until),
        withheld_gpus: flags.withhold as NewNodePricing['withheld_gpus'],
      });
      await (await file()).setPricing(client, json, id, pricing);
    },
  )
    .addOption(new Option('--price <usd>', 'per GPU-hour').argParser(moneyOf).makeOptionMandatory())
    .option('--surge', 'let the price rise with the use of its cluster, up to three times')
    .addOption(new Option('--max-hours <hours>', 'the longest lease').argParser(countOf))
    .addOption(new Option('--until <time>', 'no lease lasts longer: a time, or how long from now').argParser(untilOf))
    .addOption(
      new Option('--withhold <gpus>', 'how many GPUs not to sell, or which: ids with commas between').argParser(
        withheldOf,
      ),
    );
  command(
    group,
    'remove <id>',
    'sell the node no more; trades that are there stay',
    'gpubroker nodes pricing remove 0198…',
    async (client, json, _flags, id = '') => (await file()).removePricing(client, json, id),
  );
}

function withheldOf(text: string): number | string[] {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  const ids = text.split(',').map((id) => id.trim());
  if (ids.some((id) => !/^[0-9a-f-]{36}$/i.test(id))) {
    throw new InvalidArgumentError('Give how many, or the ids of GPUs with commas between.');
  }
  return ids;
}
