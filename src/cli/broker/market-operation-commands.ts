// `gpubroker market`: the commands of admins: stop and go, rules, and what leases will do.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ProductChange } from '../../api/products.ts';
import { wrongUsage } from '../errors.ts';
import { command, countOf, type Flags, given, textOf } from './command.ts';

const file = () => import('./market-operation.ts');

/** Adds them to the group. */
export function addMarketOperation(group: Command): void {
  addStopping(group);
  addRules(group);
  addTrades(group);
}

function addStopping(group: Command): void {
  command(group, 'status', 'show whether all is traded (admins)', 'gpubroker market status', async (client, json) =>
    (await file()).showMarket(client, json),
  );
  command(
    group,
    'halt [product]',
    'trade it no more until resumed; cancelling works (admins)',
    'gpubroker market halt H100 --reason "prices look wrong"',
    async (client, json, flags, product) => {
      const which = oneOrAll(flags, product, 'a product', 'all');
      await (await file()).haltMarket(client, json, given({ gpu_type: which, reason: String(flags.reason) }));
    },
  )
    .option('--all', 'every product')
    .requiredOption('--reason <text>', 'why; whoever orders is told');
  command(
    group,
    'resume [product]',
    'trade it again (admins)',
    'gpubroker market resume H100',
    async (client, json, flags, product) => {
      const which = oneOrAll(flags, product, 'a product', 'all');
      await (await file()).resumeMarket(client, json, given({ gpu_type: which }));
    },
  ).option('--all', 'every product');
  command(
    group,
    'kill [account]',
    'cancel the open orders of an account, and let it order no more (admins)',
    'gpubroker market kill 0198… --reason "runaway program"',
    async (client, json, flags, account) => {
      const which = oneOrAll(flags, account, 'an account', 'everybody');
      await (await file()).killSwitch(client, json, given({ account_id: which, reason: String(flags.reason) }));
    },
  )
    .option('--everybody', 'every account')
    .requiredOption('--reason <text>', 'why; whoever orders is told');
  command(
    group,
    'release [account]',
    'let an account order again (admins)',
    'gpubroker market release 0198…',
    async (client, json, flags, account) => {
      const which = oneOrAll(flags, account, 'an account', 'everybody');
      await (await file()).releaseSwitch(client, json, given({ account_id: which }));
    },
  ).option('--everybody', 'the switch that stopped every account');
  command(
    group,
    'match [product]',
    'match what rests; a healthy market has nothing to match (admins)',
    'gpubroker market match',
    async (client, json, _flags, product) =>
      (await file()).matchMarket(client, json, given<{ gpu_type?: string }>({ gpu_type: product })),
  );
}

function addRules(group: Command): void {
  command(
    group,
    'rules <product>',
    'change how a product is traded (admins)',
    'gpubroker market rules H100 --allocation price-time --band 2000',
    async (client, json, flags, product = '') => {
      const change = given<ProductChange>({
        allocation: flags.allocation as ProductChange['allocation'],
        trade_price: flags.tradePrice as ProductChange['trade_price'],
        min_share: flags.minShare as number | undefined,
        min_label: flags.minLabel as ProductChange['min_label'],
        gpus_per_node: flags.gpusPerNode as number | undefined,
        band_bps: flags.band === 'none' ? null : (flags.band as number | undefined),
        auction_interval_seconds: flags.auctionInterval as number | undefined,
        auction_no_cancel_seconds: flags.auctionNoCancel as number | undefined,
        auction_hours: flags.auctionHours as number | undefined,
        interruption_notice_seconds: flags.interruptionNotice as number | undefined,
      });
      if (Object.keys(change).length === 0) throw wrongUsage('give at least one rule to change');
      await (await file()).changeRules(client, json, product, change);
    },
  )
    .addOption(
      new Option('--allocation <word>', 'who is served first within a price').choices(['pro-rata', 'price-time']),
    )
    .addOption(new Option('--trade-price <word>', 'what a trade costs').choices(['midpoint', 'maker']))
    .addOption(new Option('--min-share <gpus>', 'the smallest pro-rata share').argParser(countOf))
    .addOption(
      new Option('--min-label <label>', 'the lowest label that is sold').choices([
        'simulated',
        'self-reported',
        'measured',
        'challenge-verified',
      ]),
    )
    .addOption(new Option('--gpus-per-node <gpus>', 'up to so many, a bid wants one node').argParser(countOf))
    .addOption(new Option('--band <bps>', 'how far a price may be from the last, or none').argParser(bandOf))
    .addOption(new Option('--auction-interval <seconds>', 'between spot auctions; 0 for none').argParser(secondsOf))
    .addOption(new Option('--auction-no-cancel <seconds>', 'the end of it, when bids only rise').argParser(secondsOf))
    .addOption(new Option('--auction-hours <hours>', 'the longest lease that an auction sells').argParser(countOf))
    .addOption(new Option('--interruption-notice <seconds>', 'before a lease is interrupted').argParser(secondsOf));
}

function addTrades(group: Command): void {
  command(
    group,
    'settle <trade>',
    'pay for what a trade has run so far (admins)',
    'gpubroker market settle 0198… --seconds 3600',
    async (client, json, flags, id = '') => (await file()).settleTrade(client, json, id, Number(flags.seconds)),
  ).addOption(new Option('--seconds <seconds>', 'in all').argParser(secondsOf).makeOptionMandatory());
  command(
    group,
    'end <trade>',
    'end the hold of a trade before its time (admins)',
    'gpubroker market end 0198… --reason "node broke"',
    async (client, json, flags, id = '') => (await file()).endTrade(client, json, id, String(flags.reason)),
  ).requiredOption('--reason <text>', 'why; both parties are told');
}

/** What was named; undefined for all. Nothing of this reach is done because a word was left out. */
function oneOrAll(flags: Flags, one: string | undefined, what: string, all: 'all' | 'everybody'): string | undefined {
  if ((one === undefined) === (flags[all] !== true)) throw wrongUsage(`give either ${what} or --${all}`);
  return textOf(one);
}

function secondsOf(text: string): number {
  if (!/^\d{1,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number of seconds.');
  return Number(text);
}

/** commander makes an empty text of null. */
function bandOf(text: string): number | 'none' {
  return text === 'none' ? text : countOf(text);
}
