// Prices: of nodes, spot prices that follow from them, what an order would pay, and the price index.
import { type Static, Type } from 'typebox';
import { Region } from './clusters.ts';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';
import { Money, MoneyInput } from './money.ts';
import { DurationHours, GpuType, ProductId, Quantity } from './orders.ts';

export const NewNodePricing = Type.Object({
  base_price: { ...MoneyInput, description: 'US dollars per GPU-hour; a multiple of 0.0001, above 0, up to 10,000.' },
  surge_enabled: Type.Boolean({ description: 'The price is base_price × (1 + 2 × utilisation²) of its cluster.' }),
  max_duration_hours: Type.Optional({ ...DurationHours, description: 'The longest lease. Default 8,760.' }),
  available_until: Type.Optional(Nullable({ ...Time, description: 'No lease ends later.' })),
  withheld_gpus: Type.Optional(
    Type.Union([Type.Integer({ minimum: 0, maximum: 1_024 }), Type.Array(Id, { maxItems: 1_024, uniqueItems: true })]),
  ),
});
export type NewNodePricing = Static<typeof NewNodePricing>;

const NodeOffer = Type.Object({
  gpu_type: ProductId,
  price: { ...Money, description: 'Per GPU-hour now.' },
  open_quantity: Type.Integer({ minimum: 0, description: 'GPUs that it sells now.' }),
});

export const NodePricing = Type.Object({
  node_id: Id,
  base_price: Money,
  surge_enabled: Type.Boolean(),
  max_duration_hours: Type.Integer({ minimum: 1 }),
  available_until: Nullable(Time),
  withheld_gpus: Type.Union([Type.Integer({ minimum: 0 }), Type.Array(Id)], {
    description: 'So many of its GPUs, the last by name, or those with these ids, are not sold.',
  }),
  offers: Type.Array(NodeOffer, { description: 'What follows from it, by product.' }),
});
export type NodePricing = Static<typeof NodePricing>;

export const SpotQuery = Type.Object({ gpu_type: Type.Optional(GpuType), region: Type.Optional(Region) });
export type SpotQuery = Static<typeof SpotQuery>;

export const SpotPrice = Type.Object({
  gpu_type: ProductId,
  region: Type.String(),
  spot_price: Nullable({
    ...Money,
    description: 'The lowest that a node asks now, per GPU-hour; null: nothing is sold.',
  }),
  utilization: Type.Number({ minimum: 0, maximum: 1, description: 'Leased ÷ sellable or leased GPUs.' }),
  leased: Type.Integer({ minimum: 0 }),
  sellable_or_leased: Type.Integer({ minimum: 0 }),
  available: Type.Integer({ minimum: 0, description: 'GPUs that priced nodes sell now.' }),
});
export type SpotPrice = Static<typeof SpotPrice>;
export const SpotPrices = Type.Object({ items: Type.Array(SpotPrice), next_cursor: Type.Null() });
export type SpotPrices = Static<typeof SpotPrices>;

export const PriceRequest = Type.Object({
  gpu_type: GpuType,
  quantity: Quantity,
  duration_hours: { ...DurationHours, description: 'For how long.' },
  region: Type.Optional(Region),
});
export type PriceRequest = Static<typeof PriceRequest>;

export const PriceEstimate = Type.Object({
  gpu_type: ProductId,
  quantity: Type.Integer(),
  duration_hours: Type.Integer(),
  region: Nullable(Type.String()),
  spot_price: Nullable({ ...Money, description: 'Per GPU-hour; null: nothing is sold there.' }),
  total_price: Nullable({ ...Money, description: 'spot_price × quantity × duration_hours.' }),
  book: Type.Object(
    {
      filled_quantity: Type.Integer({ minimum: 0, description: 'GPUs that the book could sell now.' }),
      average_price: Nullable({ ...Money, description: 'Per GPU-hour, rounded down; null where none could be sold.' }),
      limit_price: Nullable({ ...Money, description: 'The highest price that a bid for these would have to give.' }),
      total_price: { ...Money, description: 'Of those GPUs for the whole duration, at the prices of the asks.' },
    },
    { description: 'What a bid would find in the book at this moment, at any price.' },
  ),
});
export type PriceEstimate = Static<typeof PriceEstimate>;

export const PriceIndexQuery = Type.Object({
  ...pageFields,
  gpu_type: GpuType,
  from: Type.Optional({ ...Time, description: 'Windows that begin then or later.' }),
  to: Type.Optional({ ...Time, description: 'Windows that begin earlier.' }),
  revision: Type.Optional(
    OneOf(['latest', 'first', 'all'], { description: 'Which of a window’s revisions. Default: latest.' }),
  ),
});
export type PriceIndexQuery = Static<typeof PriceIndexQuery>;

export const PriceIndexWindow = Type.Object({
  gpu_type: ProductId,
  starts_at: Time,
  ends_at: Time,
  revision: Type.Integer({ minimum: 0, description: 'From 0; each further one corrects the one before.' }),
  final: Type.Boolean({ description: 'The window is not waited for any more.' }),
  trades: Type.Integer({ minimum: 0 }),
  gpus: Type.Integer({ minimum: 0 }),
  gpu_hours: Type.Integer({ minimum: 0 }),
  volume: { ...Money, description: 'Sum of quantity × price, in dollars per hour.' },
  vwap: { ...Money, description: 'Per GPU-hour, weighted by quantity, rounded down.' },
  min_price: Money,
  max_price: Money,
  stddev: { ...Money, description: 'Population standard deviation by quantity, rounded down.' },
  published_at: Time,
});
export type PriceIndexWindow = Static<typeof PriceIndexWindow>;
export const PriceIndexPage = Page(PriceIndexWindow);
export type PriceIndexPage = Static<typeof PriceIndexPage>;
