// `gpubroker market`: the commands for one's own orders and trades.
import { randomUUID } from 'node:crypto';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { NewOrder, OrderQuery, TradeQuery } from '../../api/orders.ts';
import { parseDuration } from '../../daemon/duration.ts';
import { wrongUsage } from '../errors.ts';
import { command, countOf, type Flags, given, listed, textOf } from './command.ts';

const sides = ['bid', 'ask'] as const;
const statuses = ['active', 'pending', 'partial', 'filled', 'cancelled', 'expired', 'rejected', 'all'] as const;
const file = () => import('./orders.ts');

/** Adds them to the group. */
export function addOrderCommands(group: Command): void {
  addPlacing(group);
  addChanging(group);
  addLists(group);
}

function addPlacing(group: Command): void {
  const placing = command(
    group,
    'place',
    'order GPUs, or offer some of a node',
    'gpubroker market place bid H100 --quantity 8 --price 2.60 --hours 24',
    async (client, json, flags, side = '', product = '') => {
      const key = textOf(flags.key) ?? randomUUID();
      await (await file()).placeOrder(client, json, orderOf(flags, side, product), key);
    },
  );
  orderFlags(placing).option('--key <text>', 'a name for this order; sent again with it, it is placed once');
  const preview = command(
    group,
    'preview',
    'show what an order would do now, and place nothing',
    'gpubroker market preview bid H100 --quantity 8 --price 2.60 --hours 24',
    async (client, json, flags, side = '', product = '') =>
      (await file()).previewOrder(client, json, orderOf(flags, side, product)),
  );
  orderFlags(preview);
}

/** What an order is made of. */
function orderFlags(of: Command): Command {
  return of
    .addArgument(new Argument('<side>', 'bid: buy; ask: sell').choices(sides))
    .argument('<product>', 'for instance H100-SXM5-80GB, or an alias as H100')
    .addOption(new Option('--quantity <gpus>', 'how many GPUs').argParser(countOf).makeOptionMandatory())
    .addOption(new Option('--price <usd>', 'the limit, per GPU-hour').argParser(moneyOf).makeOptionMandatory())
    .addOption(
      new Option('--hours <hours>', 'of a bid: for how long; of an ask: the longest lease')
        .argParser(countOf)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--time-in-force <word>', 'how long it waits (default: gtc; gtd with --expires)').choices([
        'gtc',
        'ioc',
        'fok',
        'gtd',
      ]),
    )
    .addOption(new Option('--expires <time>', 'when it ends, or how long from now, like 2h').argParser(untilOf))
    .option('--all-or-none', 'trade whole or wait')
    .addOption(new Option('--min-quantity <gpus>', 'trade at least so many at a time').argParser(countOf))
    .addOption(
      new Option('--placement <word>', 'on one node, in one cluster, or anywhere').choices(['any', 'node', 'cluster']),
    )
    .option('--node <id>', 'of an ask: whose GPUs')
    .option('--region <region>', 'of a bid: where')
    .addOption(new Option('--min-score <score>', 'of a bid: of every GPU, 0 to 100').argParser(scoreOf))
    .addOption(
      new Option('--min-label <label>', 'of a bid: of every GPU').choices([
        'simulated',
        'self-reported',
        'measured',
        'challenge-verified',
      ]),
    )
    .option('--interruptible', 'trade in spot auctions alone')
    .option('--client-order-id <text>', 'a name of your own for it');
}

/** The body of a request. What does not go together the broker says. */
function orderOf(flags: Flags, side: string, product: string): NewOrder {
  return given<NewOrder>({
    type: side as NewOrder['type'],
    gpu_type: product,
    quantity: Number(flags.quantity),
    price: String(flags.price),
    duration_hours: Number(flags.hours),
    time_in_force: flags.timeInForce as NewOrder['time_in_force'],
    expires_at: textOf(flags.expires),
    all_or_none: flags.allOrNone === true ? true : undefined,
    min_quantity: flags.minQuantity as number | undefined,
    placement: flags.placement as NewOrder['placement'],
    node_id: textOf(flags.node),
    region: textOf(flags.region),
    min_score: flags.minScore as number | undefined,
    min_label: flags.minLabel as NewOrder['min_label'],
    interruptible: flags.interruptible === true ? true : undefined,
    client_order_id: textOf(flags.clientOrderId),
  });
}

function addChanging(group: Command): void {
  command(
    group,
    'amend <id>',
    'change the quantity or the price of an order',
    'gpubroker market amend 0198… --price 2.70',
    async (client, json, flags, id = '') => {
      const change = given({ quantity: flags.quantity as number | undefined, price: textOf(flags.price) });
      if (Object.keys(change).length === 0) throw wrongUsage('give --quantity, --price or both');
      await (await file()).amendOrder(client, json, id, change);
    },
  )
    .addOption(new Option('--quantity <gpus>', 'the new whole, what is filled included').argParser(countOf))
    .addOption(new Option('--price <usd>', 'the new limit, per GPU-hour').argParser(moneyOf));
  command(
    group,
    'cancel <id...>',
    'cancel orders',
    'gpubroker market cancel 0198… 0199…',
    async (client, json, _flags, ...ids) => (await file()).cancelOrders(client, json, ids),
  );
}

function addLists(group: Command): void {
  listed(
    group,
    'orders',
    'show a line for each of your orders that is not over; --status shows others',
    'gpubroker market orders --status all --product H100',
    async (client, json, flags) => {
      const query = given<OrderQuery>({
        status: flags.status === 'all' ? undefined : (flags.status as OrderQuery['status']),
        gpu_type: textOf(flags.product),
        type: flags.side as OrderQuery['type'],
        node_id: textOf(flags.node),
        client_order_id: textOf(flags.clientOrderId),
        account_id: textOf(flags.account),
      });
      await (await file()).listOrders(client, json, query, flags.limit);
    },
  )
    .addOption(new Option('--status <status>', 'active: pending or partial').choices(statuses).default('active'))
    .option('--product <product>', 'of this product alone')
    .addOption(new Option('--side <side>').choices(sides))
    .option('--node <id>', 'asks of this node alone')
    .option('--client-order-id <text>', 'of this name of your own')
    .option('--account <id>', 'of this account alone (admins)');
  command(group, 'order <id>', 'show one', 'gpubroker market order 0198…', async (client, json, _flags, id = '') =>
    (await file()).showOrder(client, json, id),
  );
  listed(
    group,
    'trades',
    'show a line for each of your trades, newest first',
    'gpubroker market trades --status held',
    async (client, json, flags) => {
      const query = given<TradeQuery>({
        type: flags.side as TradeQuery['type'],
        status: flags.status as TradeQuery['status'],
        gpu_type: textOf(flags.product),
        account_id: textOf(flags.account),
      });
      await (await file()).listTrades(client, json, { query, order: textOf(flags.order) }, flags.limit);
    },
  )
    .addOption(new Option('--order <id>', 'of this order alone').conflicts(['side', 'status', 'product', 'account']))
    .addOption(new Option('--side <side>', 'bid: bought; ask: sold').choices(sides))
    .addOption(new Option('--status <status>', 'held: its GPUs are kept for the buyer').choices(['held', 'ended']))
    .option('--product <product>', 'of this product alone')
    .option('--account <id>', 'of this account alone (admins)');
  command(
    group,
    'trade <id>',
    'show one with its GPUs',
    'gpubroker market trade 0198…',
    async (client, json, _flags, id = '') => (await file()).showTrade(client, json, id),
  );
}

/** For a flag that takes an amount: kept as text, for a number might round it. */
export function moneyOf(text: string): string {
  if (!/^\d{1,10}(\.\d{1,6})?$/.test(text)) {
    throw new InvalidArgumentError('Give US dollars with up to six decimal places, for instance 2.50.');
  }
  return text;
}

/** For a flag that takes a time to come: ISO 8601, or how long from now. */
export function untilOf(text: string): string {
  const ms = parseDuration(text);
  const at = ms === undefined ? Date.parse(text) : Date.now() + ms;
  if (Number.isNaN(at) || at > Date.UTC(9999, 11, 31)) {
    throw new InvalidArgumentError('Give a time like 2026-01-05T09:30:00Z, or how long from now, like 2h.');
  }
  return new Date(at).toISOString();
}

function scoreOf(text: string): number {
  if (!/^(?:100|\d{1,2})$/.test(text)) throw new InvalidArgumentError('Give a whole number from 0 to 100.');
  return Number(text);
}
