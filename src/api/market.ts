// The market as everybody sees it: depth, tape, auctions; and what an admin does to it.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';
import { Money } from './money.ts';
import { GpuType, ProductId } from './orders.ts';

const DepthLevel = Type.Object({
  price: { ...Money, description: 'Per GPU-hour.' },
  quantity: Type.Integer({ minimum: 1, description: 'GPUs.' }),
  orders: Type.Integer({ minimum: 1 }),
});

export const Depth = Type.Object({
  gpu_type: ProductId,
  seq: Type.Integer({ minimum: 0, description: 'The market’s last command in it; it only grows.' }),
  at: Time,
  bids: Type.Array(DepthLevel, { description: 'Highest price first.' }),
  asks: Type.Array(DepthLevel, { description: 'Lowest price first.' }),
  last_price: Nullable(Money),
  halted: Type.Boolean(),
});
export type Depth = Static<typeof Depth>;

const Levels = Type.Integer({ minimum: 1, maximum: 1_000, default: 20, description: 'Prices a side, the best ones.' });

export const DepthQuery = Type.Object({ gpu_type: GpuType, levels: Type.Optional(Levels) });
export type DepthQuery = Static<typeof DepthQuery>;

export const TapeTrade = Type.Object({
  number: Type.Integer({ minimum: 1, description: 'Counts all trades of the market.' }),
  gpu_type: ProductId,
  price: { ...Money, description: 'Per GPU-hour.' },
  quantity: Type.Integer({ minimum: 1 }),
  duration_hours: Type.Integer({ minimum: 1 }),
  interruptible: Type.Boolean(),
  executed_at: Time,
});
export type TapeTrade = Static<typeof TapeTrade>;
export const Tape = Page(TapeTrade);
export type Tape = Static<typeof Tape>;
export const TapeQuery = Type.Object({ ...pageFields, gpu_type: GpuType });
export type TapeQuery = Static<typeof TapeQuery>;

/** Events `depth` ({@link Depth}) and `trade` ({@link TapeTrade}). */
export const MarketStreamQuery = Type.Object({
  gpu_type: GpuType,
  levels: Type.Optional({ ...Levels, maximum: 100 }),
});
export type MarketStreamQuery = Static<typeof MarketStreamQuery>;

export const Auction = Type.Object({
  id: Id,
  gpu_type: ProductId,
  cleared_at: Time,
  price: Nullable({ ...Money, description: 'Null where nothing could trade.' }),
  volume: Type.Integer({ minimum: 0, description: 'GPUs that were traded.' }),
  bid_quantity: Type.Integer({ minimum: 0 }),
  ask_quantity: Type.Integer({ minimum: 0 }),
  imbalance: Type.Integer({ description: 'Bids less asks at the price.' }),
});
export type Auction = Static<typeof Auction>;

export const CurrentAuction = Type.Object({
  gpu_type: ProductId,
  phase: OneOf(['open', 'no-cancel'], { description: 'no-cancel: bids may only rise.' }),
  opens_at: Time,
  no_cancel_at: Time,
  clears_at: Time,
  indicative_price: Nullable({ ...Money, description: 'What it would clear at now; null where nothing would trade.' }),
  indicative_volume: Type.Integer({ minimum: 0 }),
  bid_quantity: Type.Integer({ minimum: 0 }),
  ask_quantity: Type.Integer({ minimum: 0 }),
});
export type CurrentAuction = Static<typeof CurrentAuction>;

export const AuctionQuery = Type.Object({ ...pageFields, gpu_type: Type.Optional(GpuType) });
export type AuctionQuery = Static<typeof AuctionQuery>;
export const AuctionPage = Type.Object({
  ...Page(Auction).properties,
  current: Type.Array(CurrentAuction, { description: 'Those that have an order and are still to clear.' }),
});
export type AuctionPage = Static<typeof AuctionPage>;

const Reason = Type.String({ minLength: 1, maxLength: 200, description: 'Told to whoever is refused because of it.' });

export const Halt = Type.Object({
  gpu_type: Type.Optional({ ...GpuType, description: 'One product; all without it.' }),
  reason: Reason,
});
export type Halt = Static<typeof Halt>;
export const Resume = Type.Object({ gpu_type: Halt.properties.gpu_type });
export type Resume = Static<typeof Resume>;

export const KillSwitch = Type.Object({
  account_id: Type.Optional({ ...Id, description: 'One account; everybody without it.' }),
  reason: Reason,
});
export type KillSwitch = Static<typeof KillSwitch>;
export const KillSwitchRelease = Type.Object({ account_id: KillSwitch.properties.account_id });
export type KillSwitchRelease = Static<typeof KillSwitchRelease>;
export const Killed = Type.Object({
  success: Type.Literal(true),
  cancelled: Type.Integer({ minimum: 0, description: 'Orders that were cancelled.' }),
});
export type Killed = Static<typeof Killed>;
export const Matched = Type.Object({
  success: Type.Literal(true),
  trades: Type.Integer({ minimum: 0, description: 'Trades that were made; 0 in a healthy market.' }),
});
export type Matched = Static<typeof Matched>;

export const MarketStatus = Type.Object({
  seq: Type.Integer({ minimum: 0, description: 'The last durable command.' }),
  open_bids: Type.Integer({ minimum: 0 }),
  open_asks: Type.Integer({ minimum: 0 }),
  halted: Type.Array(Type.Object({ gpu_type: ProductId, reason: Type.String() })),
  kill_switches: Type.Array(
    Type.Object({
      account_id: Nullable({ ...Id, description: 'Null: everybody.' }),
      reason: Type.String(),
    }),
  ),
});
export type MarketStatus = Static<typeof MarketStatus>;
