// `gpubroker market`: the commands for what everybody sees of the market: book, trades, prices, auctions.
import { type Command, Option } from 'commander';
import type { AuctionQuery } from '../../api/market.ts';
import type { PriceIndexQuery, PriceRequest, SpotQuery } from '../../api/pricing.ts';
import { command, countOf, given, listed, textOf, timeOf } from './command.ts';
import { addMarketOperation } from './market-operation-commands.ts';
import { addOrderCommands } from './order-commands.ts';
import { brokerGroup } from './run.ts';

const file = () => import('./market.ts');
const levels = () => new Option('--levels <number>', 'how many prices of each side').default(10).argParser(countOf);

/** Adds `gpubroker market …`. */
export function addMarketCommands(program: Command): void {
  const group = brokerGroup(program, 'market', 'buy and sell GPUs by the hour', 'gpubroker market depth H100');
  addOrderCommands(group);
  addBook(group);
  addPrices(group);
  addMarketOperation(group);
}

function addBook(group: Command): void {
  command(
    group,
    'depth <product>',
    'show the book: what is asked and bid at which price',
    'gpubroker market depth H100',
    async (client, json, flags, product = '') =>
      (await file()).showDepth(client, json, { gpu_type: product, levels: Number(flags.levels) }),
  ).addOption(levels());
  command(
    group,
    'watch <product>',
    'show the book and its trades as they change, until Ctrl-C',
    'gpubroker market watch H100',
    async (client, json, flags, product = '') => {
      const { watchMarket } = await import('./market-watch.ts');
      const { untilInterrupted } = await import('./follow.ts');
      const watching = { product, levels: Number(flags.levels), json };
      await untilInterrupted((stop) => watchMarket(client, watching, stop));
    },
  ).addOption(levels());
  listed(
    group,
    'tape <product>',
    "show a line for each of a product's trades, newest first",
    'gpubroker market tape H100 --limit 20',
    async (client, json, flags, product = '') => (await file()).listTape(client, json, product, flags.limit),
  );
  listed(
    group,
    'auctions [product]',
    'show the spot auctions: those to come, and those that were',
    'gpubroker market auctions H100',
    async (client, json, flags, product) => {
      const query = given<AuctionQuery>({ gpu_type: product });
      await (await file()).listAuctions(client, json, query, flags.limit);
    },
  );
}

function addPrices(group: Command): void {
  command(
    group,
    'products',
    'show how each product is traded, and its last price',
    'gpubroker market products',
    async (client, json) => (await file()).listTrading(client, json),
  );
  command(
    group,
    'spot [product]',
    'show what is offered now at which price',
    'gpubroker market spot H100 --region eu-central-1',
    async (client, json, flags, product) => {
      const query = given<SpotQuery>({ gpu_type: product, region: textOf(flags.region) });
      await (await file()).listSpot(client, json, query);
    },
  ).option('--region <region>', 'in this region alone');
  command(
    group,
    'quote <product>',
    'say what GPUs would cost now',
    'gpubroker market quote H100 --quantity 8 --hours 24',
    async (client, json, flags, product = '') => {
      const request = given<PriceRequest>({
        gpu_type: product,
        quantity: Number(flags.quantity),
        duration_hours: Number(flags.hours),
        region: textOf(flags.region),
      });
      await (await file()).showQuote(client, json, request);
    },
  )
    .addOption(new Option('--quantity <gpus>', 'how many GPUs').default(1).argParser(countOf))
    .addOption(new Option('--hours <hours>', 'for how long').default(1).argParser(countOf))
    .option('--region <region>', 'where');
  listed(
    group,
    'index <product>',
    "show a product's price index: a line for each five minutes with trades",
    'gpubroker market index H100 --from 24h',
    async (client, json, flags, product = '') => {
      const query = given<PriceIndexQuery>({
        gpu_type: product,
        from: textOf(flags.from),
        to: textOf(flags.to),
        revision: flags.revision as PriceIndexQuery['revision'],
      });
      await (await file()).listIndex(client, json, query, flags.limit);
    },
  )
    .addOption(new Option('--from <time>', 'windows since then').argParser(timeOf))
    .addOption(new Option('--to <time>', 'windows before then').argParser(timeOf))
    .addOption(
      new Option('--revision <which>', 'of each window (default: latest)').choices(['latest', 'first', 'all']),
    );
}
