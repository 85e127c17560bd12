// Orders and trades, as the API shows them to their parties.
import { type Static, Type } from 'typebox';
import { Region } from './clusters.ts';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';
import { Money, MoneyInput } from './money.ts';

const sides = ['bid', 'ask'] as const;
const timesInForce = ['gtc', 'ioc', 'fok', 'gtd'] as const;
const placements = ['any', 'node', 'cluster'] as const;
const orderStatuses = ['pending', 'partial', 'filled', 'cancelled', 'expired', 'rejected'] as const;
/** Lowest first. */
export const labelNames = ['simulated', 'self-reported', 'measured', 'challenge-verified'] as const;

/** A product as requests name it. */
export const GpuType = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9.+-]{0,98}[A-Za-z0-9])?$',
  maxLength: 100,
  description: 'A product of GET /products, or one of its aliases.',
  examples: ['H100-SXM5-80GB'],
});

/** A product as answers name it. */
export const ProductId = Type.String({ examples: ['H100-SXM5-80GB'] });

export const Quantity = Type.Integer({ minimum: 1, maximum: 10_000, description: 'GPUs.' });
export const DurationHours = Type.Integer({
  minimum: 1,
  maximum: 8_760,
  description: 'Of a bid: for how long. Of an ask: the longest lease that it is open for.',
});

export const NewOrder = Type.Object({
  type: OneOf(sides, { description: 'bid: buy. ask: sell.' }),
  gpu_type: GpuType,
  quantity: Quantity,
  price: { ...MoneyInput, description: 'The limit, in US dollars per GPU-hour; a multiple of 0.0001, up to 10,000.' },
  duration_hours: DurationHours,
  time_in_force: Type.Optional(
    OneOf(timesInForce, {
      description:
        'gtc: until cancelled. ioc: what does not trade at once is cancelled. fok: trades at once and whole, or not. gtd: until expires_at. Default gtc, or gtd with expires_at.',
    }),
  ),
  expires_at: Type.Optional({ ...Time, description: 'Of gtd, and needed there.' }),
  all_or_none: Type.Optional(Type.Boolean({ description: 'Bids: trades whole or waits.' })),
  min_quantity: Type.Optional({ ...Quantity, description: 'Bids: the fewest GPUs that it trades at a time.' }),
  placement: Type.Optional(
    OneOf(placements, {
      description:
        'Bids: node needs all GPUs on one node, cluster in one cluster. Default node where the quantity fits the product’s nodes, else any; always any for interruptible bids.',
    }),
  ),
  node_id: Type.Optional({ ...Id, description: 'Asks, and needed there: whose GPUs are sold.' }),
  region: Type.Optional(Region),
  min_score: Type.Optional(Type.Integer({ minimum: 0, maximum: 100, description: 'Bids: the lowest score.' })),
  min_label: Type.Optional(OneOf(labelNames, { description: 'Bids: the lowest label. Default: the product’s.' })),
  interruptible: Type.Optional(
    Type.Boolean({ description: 'Trades in spot auctions alone; a lease from it may be outbid, with notice.' }),
  ),
  client_order_id: Type.Optional(
    Type.String({ pattern: '^[\\x21-\\x7e]{1,100}$', maxLength: 100, description: 'Your own name for it.' }),
  ),
});
export type NewOrder = Static<typeof NewOrder>;

/** Headers of requests that change the market. */
export const IdempotencyHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,255}$',
      description: 'Your name for this request: however often it is sent with it, it is done once.',
    }),
  ),
});
export type IdempotencyHeaders = Static<typeof IdempotencyHeaders>;

export const OrderChange = Type.Object(
  {
    quantity: Type.Optional({ ...Quantity, description: 'The new whole quantity; more than is filled already.' }),
    price: Type.Optional(MoneyInput),
  },
  { minProperties: 1, description: 'More GPUs or another price take the order’s place in time; fewer GPUs do not.' },
);
export type OrderChange = Static<typeof OrderChange>;

export const Order = Type.Object({
  id: Id,
  order_id: { ...Id, description: 'The same as id.' },
  account_id: Id,
  user_id: Nullable(Id),
  type: OneOf(sides),
  gpu_type: ProductId,
  quantity: Type.Integer({ minimum: 0 }),
  filled_quantity: Type.Integer({ minimum: 0 }),
  open_quantity: Type.Integer({ minimum: 0, description: 'Still to be filled; 0 once it is over.' }),
  price: Money,
  duration_hours: Type.Integer(),
  time_in_force: OneOf(timesInForce),
  expires_at: Nullable(Time),
  all_or_none: Type.Boolean(),
  min_quantity: Type.Integer(),
  placement: OneOf(placements),
  node_id: Nullable(Id),
  region: Nullable(Type.String()),
  min_score: Type.Integer(),
  min_label: Nullable(OneOf(labelNames)),
  interruptible: Type.Boolean(),
  standing: Type.Boolean({ description: 'The broker keeps it for a priced node.' }),
  client_order_id: Nullable(Type.String()),
  status: OneOf(orderStatuses),
  reason: Type.String({ description: 'Why it is over, or was changed by the broker.' }),
  escrow: { ...Money, description: 'Held back from the wallet for what is open.' },
  created_at: Time,
  updated_at: Time,
});
export type Order = Static<typeof Order>;

export const OrderQuery = Type.Object({
  ...pageFields,
  status: Type.Optional(OneOf(['active', ...orderStatuses], { description: 'active: pending or partial.' })),
  gpu_type: Type.Optional(GpuType),
  type: Type.Optional(OneOf(sides)),
  node_id: Type.Optional(Id),
  client_order_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  account_id: Type.Optional({ ...Id, description: 'For admins: of this account only.' }),
});
export type OrderQuery = Static<typeof OrderQuery>;
export const OrderPage = Type.Object({
  ...Page(Order).properties,
  total: Type.Integer({ minimum: 0, description: 'How many there are with these filters; counted up to 10,000.' }),
});
export type OrderPage = Static<typeof OrderPage>;

export const OrderPreview = Type.Object({
  accepted: Type.Boolean(),
  problem: Nullable(
    Type.Object({
      code: Type.String(),
      detail: Type.String(),
      field: Type.Optional(Type.String()),
      allowed: Type.Optional(Type.String()),
    }),
  ),
  status: OneOf(orderStatuses, { description: 'What the order would be.' }),
  filled_quantity: Type.Integer({ minimum: 0 }),
  resting_quantity: Type.Integer({ minimum: 0, description: 'GPUs that would wait in the book.' }),
  fills: Type.Array(Type.Object({ price: Money, quantity: Type.Integer({ minimum: 1 }) }), {
    description: 'What would be traded, each with one other order; price per GPU-hour.',
  }),
  average_price: Nullable({ ...Money, description: 'Of the fills, per GPU-hour, rounded down.' }),
  cost: { ...Money, description: 'Of a bid: what the fills cost for the whole duration.' },
  escrow: { ...Money, description: 'Of a bid: what would be held back for the rest.' },
});
export type OrderPreview = Static<typeof OrderPreview>;

export const MatchTrigger = Type.Object({ gpu_type: Type.Optional(GpuType) });
export type MatchTrigger = Static<typeof MatchTrigger>;

export const Trade = Type.Object({
  id: Id,
  number: Type.Integer({ minimum: 1, description: 'Counts all trades of the market.' }),
  type: Nullable(OneOf(sides, { description: 'One’s own side; null for an admin who is no party.' })),
  gpu_type: ProductId,
  bid_order_id: Nullable({ ...Id, description: 'Null for the seller.' }),
  ask_order_id: Nullable({ ...Id, description: 'Null for the buyer.' }),
  node_id: Id,
  cluster_id: Id,
  gpu_ids: Type.Array(Id),
  quantity: Type.Integer({ minimum: 1 }),
  price: { ...Money, description: 'Per GPU-hour.' },
  duration_hours: Type.Integer(),
  cost: { ...Money, description: 'For the whole duration.' },
  paid: { ...Money, description: 'So far.' },
  escrow: { ...Money, description: 'Still held back from the buyer for it.' },
  settled_seconds: Type.Integer({ minimum: 0, description: 'Seconds that are paid.' }),
  interruptible: Type.Boolean(),
  auction_id: Nullable(Id),
  status: OneOf(['held', 'ended'], { description: 'held: its GPUs are kept for the buyer.' }),
  executed_at: Time,
  ends_at: { ...Time, description: 'When the hold ends by itself.' },
  reclaim_at: Nullable({ ...Time, description: 'When its GPUs go to a higher bid; null without such a notice.' }),
  ended_at: Nullable(Time),
  end_reason: Type.String(),
});
export type Trade = Static<typeof Trade>;
export const TradePage = Page(Trade);
export type TradePage = Static<typeof TradePage>;

/** What is known of a GPU, for those who have it or sell it by a trade. */
export const TradeGpu = Type.Object({
  gpu_id: Id,
  model: Nullable(Type.String()),
  label: OneOf(labelNames, { description: 'What is behind its figures: see docs/verification.md.' }),
  score: Nullable(Type.Integer({ minimum: 0, maximum: 100 })),
  measured_at: Nullable({ ...Time, description: 'Its newest measurement.' }),
  verified_at: Nullable({ ...Time, description: 'The newest proof that it passed.' }),
});
export type TradeGpu = Static<typeof TradeGpu>;
export const TradeGpus = Type.Object({
  items: Type.Array(TradeGpu, { description: 'In the order of the trade’s gpu_ids; none when it has ended.' }),
});
export type TradeGpus = Static<typeof TradeGpus>;

export const OrderTrades = Type.Object({ trades: Type.Array(Trade), next_cursor: Nullable(Type.String()) });
export type OrderTrades = Static<typeof OrderTrades>;

export const TradeQuery = Type.Object({
  ...pageFields,
  type: Type.Optional(OneOf(sides, { description: 'bid: bought. ask: sold.' })),
  status: Type.Optional(OneOf(['held', 'ended'])),
  gpu_type: Type.Optional(GpuType),
  account_id: Type.Optional({ ...Id, description: 'For admins: of this account only.' }),
});
export type TradeQuery = Static<typeof TradeQuery>;

export const Settlement = Type.Object({
  seconds: Type.Integer({
    minimum: 0,
    maximum: 8_760 * 3_600,
    description: 'How long it has run in all; what is paid already is not paid again.',
  }),
});
export type Settlement = Static<typeof Settlement>;

export const TradeEnd = Type.Object({
  reason: Type.String({ minLength: 1, maxLength: 200, description: 'Told to both parties.' }),
});
export type TradeEnd = Static<typeof TradeEnd>;
