// Products: what GPUs are sold as, and what an admin adds to the table.
import { type Static, Type } from 'typebox';
import { Nullable, OneOf, Time } from './fields.ts';
import { Money } from './money.ts';
import { labelNames } from './orders.ts';

export const Product = Type.Object({
  id: Type.String({ examples: ['H100-SXM5-80GB'] }),
  vendor: Type.String(),
  model: Type.String(),
  form_factor: Type.String(),
  interconnect: Type.String(),
  memory_gb: Type.Integer({ description: 'GiB.' }),
  aliases: Type.Array(Type.String({ examples: ['H100'] })),
});
export type Product = Static<typeof Product>;

const hours = 8_760;
const day = 86_400;
const rules = {
  allocation: OneOf(['pro-rata', 'price-time'], { description: 'Who is served first within a price.' }),
  trade_price: OneOf(['midpoint', 'maker'], { description: 'What a trade costs.' }),
  min_share: Type.Integer({ minimum: 1, maximum: 10_000, description: 'The smallest pro-rata share, in GPUs.' }),
  min_label: OneOf(labelNames, { description: 'The lowest label that is sold.' }),
  gpus_per_node: Type.Integer({
    minimum: 1,
    maximum: 1_024,
    description: 'Bids for so many or fewer are placed on one node, unless they say otherwise.',
  }),
  band_bps: Nullable(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'How far a price may be from the last trade’s, in basis points; null: any.',
    }),
  ),
  auction_interval_seconds: Type.Integer({
    minimum: 0,
    maximum: day,
    description: 'Between spot auctions, counted from 1970; 0 for none.',
  }),
  auction_no_cancel_seconds: Type.Integer({
    minimum: 0,
    maximum: day,
    description: 'The last part of it, in which bids may only rise.',
  }),
  auction_hours: Type.Integer({ minimum: 1, maximum: hours, description: 'The longest lease that an auction sells.' }),
  interruption_notice_seconds: Type.Integer({
    minimum: 0,
    maximum: day,
    description: 'Between the notice of an interruption and its end.',
  }),
};

/** A product with how it is traded. */
export const MarketProduct = Type.Object({
  ...Product.properties,
  tick: { ...Money, description: 'Prices are multiples of this, per GPU-hour.' },
  lot: Type.Integer({ minimum: 1, description: 'GPUs are sold in multiples of this.' }),
  ...rules,
  halted: Type.Boolean(),
  halt_reason: Nullable(Type.String()),
  last_price: Nullable({ ...Money, description: 'Of the last trade; null before the first.' }),
});
export type MarketProduct = Static<typeof MarketProduct>;
export const MarketProductList = Type.Object({ items: Type.Array(MarketProduct), next_cursor: Type.Null() });
export type MarketProductList = Static<typeof MarketProductList>;

/** What of its rules an admin changes. */
export const ProductChange = Type.Partial(Type.Object(rules), { minProperties: 1 });
export type ProductChange = Static<typeof ProductChange>;

/** The path parameter of one product. */
export const ProductParams = Type.Object({
  id: Type.String({ pattern: '^[A-Za-z0-9]([A-Za-z0-9.+-]{0,98}[A-Za-z0-9])?$', maxLength: 100 }),
});

const Key = {
  vendor: Type.String({ minLength: 1, maxLength: 50, examples: ['nvidia'] }),
  model: Type.String({ minLength: 1, maxLength: 200, description: 'The exact name that the driver gives.' }),
  memory_gb: Type.Integer({ minimum: 1, maximum: 100_000, description: 'GiB.' }),
};
const Word = Type.String({ pattern: '^[A-Za-z0-9]{1,20}$' });

export const NewMapping = Type.Object({
  ...Key,
  product: Type.String({ pattern: '^[A-Z0-9][A-Z0-9.-]{0,98}[A-Z0-9]$', examples: ['H800-SXM5-80GB'] }),
  form_factor: Word,
  interconnect: Word,
});
export type NewMapping = Static<typeof NewMapping>;

export const MappingKey = Type.Object(Key);
export type MappingKey = Static<typeof MappingKey>;

export const Mapping = Type.Object({ ...NewMapping.properties, created_at: Time });
export type Mapping = Static<typeof Mapping>;
export const MappingList = Type.Object({ items: Type.Array(Mapping), next_cursor: Type.Null() });
export const MappingApplied = Type.Object({
  success: Type.Literal(true),
  gpus: Type.Integer({ minimum: 0, description: 'How many GPUs have another product now.' }),
});
