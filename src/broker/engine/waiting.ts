// Bids that wait for enough GPUs, for one node or for a cluster: which of them need not be asked about an incoming ask.
//
// What a waiting bid lacks can come only with asks. `offered` counts the GPUs of all asks that ever came to rest. A bid
// that lacks n GPUs cannot trade before n more are offered; that count is its wake. A bid for one node needs an ask that is
// large enough by itself, so it is enough to know that none of a lane could trade with what rests, and that every ask since
// was matched before it came to rest: one that was not is a surprise.
import { type Lane, laneKinds } from './lanes.ts';

const unknown = Number.NEGATIVE_INFINITY;

export class Waiting {
  private offered = 0;
  private surprises = 0;
  /** Of `other` bids; not to trade before. */
  private readonly wakes = new Map<number, number>();

  /**
   * An ask came to rest.
   * @param matched whether every resting bid had its chance just before
   */
  askRests(quantity: number, matched: boolean): void {
    this.offered += quantity;
    if (!matched) this.surprises += 1;
  }

  /**
   * A bid came to rest.
   * @param lacks how many GPUs it lacked just before; unknown if it was not matched
   */
  bidRests(bid: number, lane: Lane, lacks: number | undefined): void {
    if (lane.kind === laneKinds.node) {
      if (lane.count === 1) lane.checked = this.surprises;
      if (lacks === undefined) lane.checked = unknown;
    }
    if (lane.kind !== laneKinds.other) return;
    if (lane.count === 1) lane.wake = Number.POSITIVE_INFINITY;
    this.setWake(bid, lane, lacks === undefined ? unknown : this.offered + lacks);
  }

  /** A bid was filled in part, or leaves the book. */
  forget(bid: number, lane: Lane, stays: boolean): void {
    if (lane.kind !== laneKinds.other) return;
    this.wakes.delete(bid);
    if (stays) lane.wake = unknown;
  }

  /** Whether some bid of a lane might trade once so many GPUs come in. */
  mayTrade(lane: Lane, quantity: number): boolean {
    if (lane.kind === laneKinds.other) return this.offered + quantity >= lane.wake;
    return lane.kind === laneKinds.plain || !this.isChecked(lane) || quantity >= lane.lowSize;
  }

  /** Whether a bid of such a lane might trade once so many GPUs come in. */
  bidMayTrade(bid: number, lane: Lane, open: number, quantity: number): boolean {
    if (lane.kind === laneKinds.node) return !this.isChecked(lane) || quantity >= open;
    lane.looks += 1;
    return this.offered + quantity >= (this.wakes.get(bid) ?? unknown);
  }

  /** A bid could not trade, and cannot before so many GPUs more are offered. */
  stillLacks(bid: number, lane: Lane, lacks: number): void {
    if (lane.kind === laneKinds.other) this.setWake(bid, lane, this.offered + lacks);
  }

  /** Whether it is known that no bid of a lane can trade with what rests. */
  isChecked(lane: Lane): boolean {
    return lane.checked === this.surprises;
  }

  check(lane: Lane): void {
    lane.checked = this.surprises;
  }

  /** Whether so many bids of a lane were looked at that it is worth while to find its wake again. */
  isTired(lane: Lane): boolean {
    return lane.kind === laneKinds.other && lane.looks * 4 >= lane.count;
  }

  /** Finds the wake of a lane from all of its bids. */
  rest(lane: Lane, bids: Iterable<number>): void {
    let wake = Number.POSITIVE_INFINITY;
    for (const bid of bids) wake = Math.min(wake, this.wakes.get(bid) ?? unknown);
    lane.wake = wake;
    lane.looks = 0;
  }

  private setWake(bid: number, lane: Lane, wake: number): void {
    this.wakes.set(bid, wake);
    if (wake < lane.wake) lane.wake = wake;
  }
}
