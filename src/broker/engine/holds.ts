// Trades whose GPUs are still held.
import { copyTrade } from './canonical.ts';
import type { Trade } from './order.ts';
import { Schedule } from './schedule.ts';

/** Trades are values: one that changes is replaced, so that an event keeps what it told. */
export class Holds {
  private readonly places = new Map<string, number>();
  private readonly trades: (Trade | undefined)[] = [];
  private readonly free: number[] = [];
  private readonly gpus = new Map<string, string>();
  /** Places by when their holds end. */
  private readonly ends = new Schedule((one, other) => {
    const a = this.trades[one] as Trade;
    const b = this.trades[other] as Trade;
    return a.endsAt < b.endsAt || (a.endsAt === b.endsAt && a.number < b.number);
  });

  get(id: string): Trade | undefined {
    const place = this.places.get(id);
    return place === undefined ? undefined : this.trades[place];
  }

  isHeld(gpuId: string): boolean {
    return this.gpus.has(gpuId);
  }

  /** Those that hold, in no order. */
  *all(): Generator<Trade> {
    for (const trade of this.trades) if (trade) yield trade;
  }

  /** The one that ends next. */
  get first(): Trade | undefined {
    const place = this.ends.first;
    return place === undefined ? undefined : this.trades[place];
  }

  add(given: Trade): void {
    const trade = copyTrade(given);
    const place = this.free.pop() ?? this.trades.length;
    this.trades[place] = trade;
    this.places.set(trade.id, place);
    this.ends.add(place);
    for (const id of trade.gpuIds) this.gpus.set(id, trade.id);
  }

  /** The trade as it is now; its end may have moved. */
  replace(trade: Trade): void {
    const place = this.places.get(trade.id) as number;
    const moved = this.trades[place]?.endsAt !== trade.endsAt;
    if (moved) this.ends.remove(place);
    this.trades[place] = trade;
    if (moved) this.ends.add(place);
  }

  remove(trade: Trade): void {
    const place = this.places.get(trade.id) as number;
    this.ends.remove(place);
    this.trades[place] = undefined;
    this.places.delete(trade.id);
    this.free.push(place);
    for (const id of trade.gpuIds) this.gpus.delete(id);
  }
}
