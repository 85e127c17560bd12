// Lanes: what rests of one side is kept apart by whatever may keep orders from trading with each other, so that an order
// looks only at those it suits. Durations and scores are in ranges; only where one straddles must orders be looked at.
import { bidSide, type Orders, placements } from './orders.ts';
import type { TrieRoot } from './price-trie.ts';
import { sizeBit, smallestOf } from './sizes.ts';

/** A bid of lane kind `plain` takes any GPUs; of `node` all on one node; of `other` waits for enough of them. */
export const laneKinds = { plain: 0, node: 1, other: 2 } as const;

/** Of {@link Lane.best}: nothing rests in the lane. */
export const noKey = 2 ** 27;

/** The usual durations begin a range of asks and end a range of bids, so that they never straddle. */
const durationSteps = [
  0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48, 72, 96, 120, 144, 168, 240, 336, 480, 720, 1080, 1440, 2160, 2880, 4320,
  8760,
];
const scoreSteps = [0, 50, 60, 70, 75, 80, 85, 90, 95, 100];
const emptyLanesKept = 64;

/** For each value up to the last step: the last step that is not above it, and the first that is not below. */
function tables(steps: readonly number[]): { floor: Uint8Array; ceil: Uint8Array } {
  const last = steps.at(-1) as number;
  const floor = new Uint8Array(last + 2);
  const ceil = new Uint8Array(last + 2);
  for (let value = 0; value < floor.length; value++) {
    floor[value] = steps.findLastIndex((step) => step <= value);
    ceil[value] = value > last ? steps.length : steps.findIndex((step) => step >= value);
  }
  return { floor, ceil };
}

const durations = tables(durationSteps);
const scores = tables(scoreSteps);

function indexIn(table: Uint8Array, value: number): number {
  return table[Math.min(value, table.length - 1)] as number;
}

/** Lowest and highest value of a range of asks or of bids. */
function range(steps: readonly number[], isBid: boolean, index: number): [number, number] {
  const step = steps[index] ?? Number.POSITIVE_INFINITY;
  if (isBid) return [index === 0 ? 0 : (steps[index - 1] as number) + 1, step];
  return [step, (steps[index + 1] ?? Number.POSITIVE_INFINITY) - 1];
}

export class Lane implements TrieRoot {
  root = -1;
  shift = 0;
  prefix = 0;
  /** Key and level of the best price; set by {@link Lanes.setBest}. */
  best = noKey;
  bestLevel = -1;
  /** Its place among the lanes of its side. */
  position = -1;
  /** Orders and their GPUs. */
  count = 0;
  open = 0;

  /** While an order is matched: whether each order here must be looked at, and the level it has come to. */
  check = false;
  key = noKey;
  level = -1;

  /** Of `other` bids: none of them can trade before so many GPUs have been offered; see waiting.ts. */
  wake = Number.POSITIVE_INFINITY;
  /** Of `other` bids: how many were looked at since `wake` was found. */
  looks = 0;
  /** Of `node` bids: none of them could trade with the asks that rested at this count of surprises; see waiting.ts. */
  checked = 0;

  readonly number: number;
  readonly id: number;
  readonly side: number;
  readonly kind: number;
  readonly region: number;
  readonly label: number;
  readonly lowDuration: number;
  readonly highDuration: number;
  readonly lowScore: number;
  readonly highScore: number;
  /** Of `node` bids: none is for fewer GPUs. */
  readonly lowSize: number;

  constructor(number: number, id: number, orders: Orders, slot: number) {
    const isBid = orders.side[slot] === bidSide;
    this.number = number;
    this.id = id;
    this.side = orders.side[slot] as number;
    this.kind = kindOf(orders, slot);
    this.region = orders.region[slot] as number;
    this.label = orders.label[slot] as number;
    const duration = indexIn(isBid ? durations.ceil : durations.floor, orders.duration[slot] as number);
    [this.lowDuration, this.highDuration] = range(durationSteps, isBid, duration);
    const score = indexIn(isBid ? scores.ceil : scores.floor, orders.score[slot] as number);
    [this.lowScore, this.highScore] = range(scoreSteps, isBid, score);
    this.lowSize = smallestOf(sizeBit(orders.open[slot] as number));
  }

  /** Whether some order of this lane may suit a taker, whatever its price; sets {@link check}. */
  suits(orders: Orders, taker: number): boolean {
    const region = orders.region[taker] as number;
    const label = orders.label[taker] as number;
    const duration = orders.duration[taker] as number;
    const score = orders.score[taker] as number;
    if (this.side === bidSide) {
      this.check = this.highDuration > duration || this.highScore > score;
      return (
        (this.region === 0 || this.region === region) &&
        this.label <= label &&
        this.lowDuration <= duration &&
        this.lowScore <= score
      );
    }
    this.check = this.lowDuration < duration || this.lowScore < score;
    return (
      (region === 0 || this.region === region) &&
      this.label >= label &&
      this.highDuration >= duration &&
      this.highScore >= score
    );
  }
}

/** The fewest GPUs that a bid takes. */
export function need(orders: Orders, bid: number): number {
  const open = orders.open[bid] as number;
  return orders.allOrNone[bid] === 1 ? open : Math.min(orders.minimum[bid] as number, open);
}

function kindOf(orders: Orders, slot: number): number {
  if (orders.side[slot] !== bidSide) return laneKinds.plain;
  if (orders.placement[slot] === placements.node) return laneKinds.node;
  if (orders.placement[slot] === placements.cluster || need(orders, slot) > 1) return laneKinds.other;
  return laneKinds.plain;
}

/** Says in which lane an order belongs. */
function idOf(orders: Orders, slot: number): number {
  const isBid = orders.side[slot] === bidSide;
  const duration = indexIn(isBid ? durations.ceil : durations.floor, orders.duration[slot] as number);
  const score = indexIn(isBid ? scores.ceil : scores.floor, orders.score[slot] as number);
  let kind = isBid ? kindOf(orders, slot) : 0;
  // Bids for one node are kept apart by size: most asks are too small for most of them.
  if (kind === laneKinds.node) kind = 34 - Math.clz32(sizeBit(orders.open[slot] as number));
  const attributes = ((((orders.label[slot] as number) << 5) | duration) << 4) | score;
  return (((orders.region[slot] as number) * 2048 + attributes) * 64 + kind) * 2 + (isBid ? 0 : 1);
}

/** The lanes of both sides of a book. */
export class Lanes {
  readonly sides: readonly [Lane[], Lane[]] = [[], []];
  /** By side the best keys of its lanes, by position: every order looks through them, so they lie side by side. */
  readonly bests: [Int32Array, Int32Array] = [new Int32Array(64), new Int32Array(64)];
  private readonly orders: Orders;
  private readonly byId = new Map<number, Lane>();
  private readonly byNumber: Lane[] = [];
  private readonly free: number[] = [];
  /** By side. */
  private readonly last: [Lane | undefined, Lane | undefined] = [undefined, undefined];

  constructor(orders: Orders) {
    this.orders = orders;
  }

  /** The lane of an order; made where there is none. */
  of(slot: number): Lane {
    const id = idOf(this.orders, slot);
    const last = this.last[id & 1];
    if (last?.id === id) return last;
    const lane = this.byId.get(id) ?? this.make(id, slot);
    this.last[id & 1] = lane;
    return lane;
  }

  numbered(number: number): Lane {
    return this.byNumber[number] as Lane;
  }

  /** Whether a resting bid has come to belong elsewhere. */
  misplaced(slot: number, lane: Lane): boolean {
    return idOf(this.orders, slot) !== lane.id;
  }

  setBest(lane: Lane, key: number, level: number): void {
    lane.best = key;
    lane.bestLevel = level;
    this.bests[lane.side as 0 | 1][lane.position] = key;
  }

  /** Forgets an empty lane where there are many: each costs every order a look. */
  drop(lane: Lane): void {
    const side = this.sides[lane.side as 0 | 1];
    if (side.length <= emptyLanesKept) return;
    const last = side.pop() as Lane;
    if (last !== lane) this.put(last, lane.position);
    this.byId.delete(lane.id);
    this.free.push(lane.number);
    if (this.last[lane.id & 1] === lane) this.last[lane.id & 1] = undefined;
  }

  private make(id: number, slot: number): Lane {
    const number = this.free.pop() ?? this.byNumber.length;
    const lane = new Lane(number, id, this.orders, slot);
    this.byNumber[number] = lane;
    this.byId.set(id, lane);
    this.put(lane, this.sides[lane.side as 0 | 1].length);
    return lane;
  }

  private put(lane: Lane, position: number): void {
    const side = lane.side as 0 | 1;
    lane.position = position;
    this.sides[side][position] = lane;
    let bests = this.bests[side];
    if (position === bests.length) {
      bests = new Int32Array(position * 2);
      bests.set(this.bests[side]);
      this.bests[side] = bests;
    }
    bests[position] = lane.best;
  }
}
