// The metrics of what is traded: prices, GPUs, what was sold, what is halted.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Committed, Pipeline } from '../commit/contract.ts';
import type { EngineView } from '../engine/contract.ts';
import type { Trade } from '../engine/order.ts';

const million = 1_000_000;
const sides = ['bid', 'ask'] as const;

/** What the gauges show, read at once. */
interface Picture {
  readonly orders: readonly { readonly side: 'bid' | 'ask'; readonly count: number }[];
  readonly products: readonly ProductPicture[];
}

interface ProductPicture {
  readonly product: string;
  readonly halted: boolean;
  /** Micro-dollars per GPU-hour; undefined where there is none. */
  readonly last: number | undefined;
  readonly best: Readonly<Record<'bid' | 'ask', number | undefined>>;
  readonly leased: number;
  readonly free: number;
}

/** Adds them to the registry; returns the function that ends their counting. */
export function observeMarket(registry: Registry, pipeline: Pipeline): () => void {
  observeState(registry, () => pipeline.read(look).catch(() => undefined));
  const count = countTrades(registry);
  return pipeline.onCommitted(({ events }: Committed) => {
    for (const event of events) if (event.type === 'trade') count(event.trade);
  });
}

function countTrades(registry: Registry): (trade: Trade) => void {
  const registers = [registry];
  const hours = new Counter({
    name: 'gpubroker_market_gpu_hours_sold_total',
    help: 'GPU-hours of trades, by product.',
    labelNames: ['product'],
    registers,
  });
  const turnover = new Counter({
    name: 'gpubroker_market_turnover_usd_total',
    help: 'US dollars that trades cost for their whole duration, by product.',
    labelNames: ['product'],
    registers,
  });
  return ({ product, quantity, durationHours, price }) => {
    hours.inc({ product }, quantity * durationHours);
    turnover.inc({ product }, (quantity * durationHours * price) / million);
  };
}

/** @param read undefined while the market cannot be read: then the gauges have no values */
function observeState(registry: Registry, read: () => Promise<Picture | undefined>): void {
  const registers = [registry];
  let reading: Promise<Picture | undefined> | undefined;
  /** All gauges of a scrape show the same moment. */
  const fill = async (gauge: Gauge<string>, show: (picture: Picture) => void) => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    const picture = await reading;
    gauge.reset();
    if (picture) show(picture);
  };
  new Gauge({
    name: 'gpubroker_market_open_orders',
    help: 'Orders that rest in the book, by type; standing asks too.',
    labelNames: ['type'],
    registers,
    collect() {
      return fill(this, ({ orders }) => {
        for (const { side, count } of orders) this.set({ type: side }, count);
      });
    },
  });
  new Gauge({
    name: 'gpubroker_market_halted',
    help: '1 for a product that is halted, else 0.',
    labelNames: ['product'],
    registers,
    collect() {
      return fill(this, ({ products }) => {
        for (const { product, halted } of products) this.set({ product }, halted ? 1 : 0);
      });
    },
  });
  new Gauge({
    name: 'gpubroker_market_last_price_usd',
    help: 'Price of the last trade per GPU-hour, in US dollars.',
    labelNames: ['product'],
    registers,
    collect() {
      return fill(this, ({ products }) => {
        for (const { product, last } of products) if (last !== undefined) this.set({ product }, last / million);
      });
    },
  });
  new Gauge({
    name: 'gpubroker_market_best_price_usd',
    help: 'Best price in the book per GPU-hour, in US dollars, by type.',
    labelNames: ['product', 'type'],
    registers,
    collect() {
      return fill(this, ({ products }) => {
        for (const { product, best } of products) {
          for (const type of sides) if (best[type] !== undefined) this.set({ product, type }, best[type] / million);
        }
      });
    },
  });
  new Gauge({
    name: 'gpubroker_market_gpus',
    help: 'GPUs that may be sold, by state: leased, which a trade holds, or free.',
    labelNames: ['product', 'state'],
    registers,
    collect() {
      return fill(this, ({ products }) => {
        for (const { product, leased, free } of products) {
          this.set({ product, state: 'leased' }, leased);
          this.set({ product, state: 'free' }, free);
        }
      });
    },
  });
}

function look(engine: EngineView): Picture {
  const uses = engine.uses();
  const products = new Map(engine.products().map((state) => [state.product, state]));
  const names = new Set([...products.keys(), ...uses.map(({ product }) => product)]);
  return {
    orders: sides.map((side) => ({ side, count: engine.openOrders(side) })),
    products: [...names].map((product) => {
      const { haltReason = null, lastPrice = null } = products.get(product) ?? {};
      const { bids, asks } = engine.depth(product, 1);
      const own = uses.filter((use) => use.product === product);
      const leased = own.reduce((sum, use) => sum + use.leased, 0);
      return {
        product,
        halted: haltReason !== null,
        last: lastPrice ?? undefined,
        best: { bid: bids[0]?.price, ask: asks[0]?.price },
        leased,
        free: own.reduce((sum, use) => sum + use.sellableOrLeased, 0) - leased,
      };
    }),
  };
}
