// Products as the market trades them: what they are, by which rules, at which last price; an admin changes the rules.
import { sql } from 'kysely';
import { formatMoney } from '../../api/money.ts';
import type { MarketProduct, Product, ProductChange } from '../../api/products.ts';
import type { ProductState } from '../engine/events.ts';
import { type ProductRules, tick } from '../engine/order.ts';
import type { Principal } from '../identity/principal.ts';
import { invalid } from '../refusal.ts';
import { listProducts } from '../registry/products/product-mappings.ts';
import { productNamed } from '../registry/products/products.ts';
import type { Queryable } from '../storage/database.ts';
import { actAsAdmin } from './admin.ts';
import type { MarketContext } from './orders.ts';

type ProductContext = Pick<MarketContext, 'db' | 'now' | 'pipeline' | 'names'>;

/** The products of all accounts. */
export class MarketProducts {
  readonly #context: ProductContext;
  /** One change after another: each starts from the rules that the one before has made. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(context: ProductContext) {
    this.#context = context;
  }

  /** Those of the table and of mappings, and those that the inventory or the market has besides; by id. */
  async list(): Promise<MarketProduct[]> {
    const { db, pipeline } = this.#context;
    const [bases, inventory] = await Promise.all([baseProducts(db), productsOfGpus(db)]);
    return pipeline.read((market) => {
      const traded = market.products().map(({ product }) => product);
      const ids = new Set([...bases.keys(), ...inventory, ...traded]);
      const shown = [...ids].flatMap((id) => {
        const product = describe(id, bases);
        return product ? [view(product, market.product(id))] : [];
      });
      return shown.sort((a, b) => (a.id < b.id ? -1 : 1));
    });
  }

  /**
   * Changes what is given of the rules of a product; it holds for orders from then on, also for those in the book.
   * @throws Refusal `GPUB_UNKNOWN_PRODUCT`, `GPUB_INVALID`; those of the pipeline
   */
  update(principal: Principal, name: string, change: ProductChange): Promise<MarketProduct> {
    const done = this.#changing.then(() => this.#update(principal, name, change));
    this.#changing = done.catch(() => undefined);
    return done;
  }

  async #update(principal: Principal, name: string, change: ProductChange): Promise<MarketProduct> {
    const { db, pipeline, names } = this.#context;
    const id = await names.resolve(name, 'params.id');
    const before = await pipeline.read((market) => market.product(id));
    const rules = { ...before.rules, ...rulesFrom(change) };
    check(rules);
    await actAsAdmin(this.#context, principal, {
      action: 'product.update',
      command: { kind: 'set-rules', product: id, rules },
      details: { product: id, ...change },
    });
    const product = describe(id, await baseProducts(db));
    if (!product) throw new Error(`${id} ceased to be a product`);
    return view(product, { ...before, rules });
  }
}

/** Whole GPUs that are not simulated, by id; what a mapping adds is as the mapping says. */
async function baseProducts(db: Queryable): Promise<Map<string, Product>> {
  const rows = await db.selectFrom('product_mappings').selectAll().orderBy('product').execute();
  const mapped = rows.map(({ product, vendor, model, form_factor, interconnect, memory_gb }): [string, Product] => [
    product,
    { id: product, vendor, model, form_factor, interconnect, memory_gb, aliases: [] },
  ]);
  // The table wins where a mapping names one of its products.
  return new Map([...mapped, ...listProducts().map((product): [string, Product] => [product.id, product])]);
}

/** Steps from one product to the next in the index: it costs by products, not by GPUs. */
async function productsOfGpus(db: Queryable): Promise<string[]> {
  const product = sql`(coalesce(product, '') collate "C")`;
  const { rows } = await sql<{ product: string }>`
    with recursive found as (
      (select ${product} as product from gpus order by ${product} limit 1)
      union all
      select (select ${product} from gpus where ${product} > found.product order by ${product} limit 1)
      from found where found.product is not null
    )
    select product from found where product <> ''
  `.execute(db);
  return rows.map((row) => row.product);
}

/** What the product of an id is: simulated ones and MIG instances are like what they simulate or divide. */
function describe(id: string, bases: ReadonlyMap<string, Product>): Product | undefined {
  const { base, simulated, migProfile } = productNamed(id);
  const product = bases.get(base);
  if (!product) return undefined;
  if (migProfile !== undefined) {
    return { ...product, id, memory_gb: Number(/(\d+)gb/.exec(migProfile)?.[1]), aliases: [] };
  }
  return simulated ? { ...product, id, aliases: product.aliases.map((alias) => `SIM-${alias}`) } : product;
}

function view(product: Product, { rules, haltReason, lastPrice }: ProductState): MarketProduct {
  return {
    ...product,
    tick: formatMoney(tick),
    lot: 1,
    allocation: rules.allocation,
    trade_price: rules.tradePrice,
    min_share: rules.minShare,
    min_label: rules.minLabel,
    gpus_per_node: rules.gpusPerNode,
    band_bps: rules.bandBps,
    auction_interval_seconds: rules.auctionIntervalS,
    auction_no_cancel_seconds: rules.auctionNoCancelS,
    auction_hours: rules.auctionHours,
    interruption_notice_seconds: rules.interruptionNoticeS,
    halted: haltReason !== null,
    halt_reason: haltReason,
    last_price: lastPrice === null ? null : formatMoney(lastPrice),
  };
}

function rulesFrom(change: ProductChange): Partial<ProductRules> {
  const given = {
    allocation: change.allocation,
    tradePrice: change.trade_price,
    minShare: change.min_share,
    minLabel: change.min_label,
    gpusPerNode: change.gpus_per_node,
    bandBps: change.band_bps,
    auctionIntervalS: change.auction_interval_seconds,
    auctionNoCancelS: change.auction_no_cancel_seconds,
    auctionHours: change.auction_hours,
    interruptionNoticeS: change.interruption_notice_seconds,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function check({ auctionIntervalS, auctionNoCancelS }: ProductRules): void {
  if (auctionIntervalS === 0) return;
  if (auctionIntervalS < 60) throw invalid('body.auction_interval_seconds', auctionIntervalS, '0, or at least 60');
  if (auctionNoCancelS < auctionIntervalS) return;
  const allowed = `less than the ${auctionIntervalS} s between auctions`;
  throw invalid('body.auction_no_cancel_seconds', auctionNoCancelS, allowed);
}
