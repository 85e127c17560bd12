// Every open order, the rest of it: what the book does not look at, next to the rows of the book.
import type { Digest } from './digest.ts';
import { Names } from './names.ts';
import { labels, type NewOrder, type OrderImage, type OrderProgress, type OrderStatus, tick } from './order.ts';
import { OrderDetails } from './order-details.ts';
import { OrderIds } from './order-ids.ts';
import { askSide, bidSide, Orders, placements, rowOf, slotOf } from './orders.ts';
import { sortedInTime } from './sorting.ts';

const placementNames = ['any', 'node', 'cluster'] as const;
const timesInForce = ['gtc', 'ioc', 'fok', 'gtd'] as const;
/** 0 stands for an order that is not over. */
const ends = ['', 'filled', 'cancelled', 'expired', 'rejected'] as const;
const interruptibleFlag = 1;
const standingFlag = 2;
const noLabel = 255;
const never = Number.POSITIVE_INFINITY;

/** How an order is over. */
export type OrderEnd = Exclude<(typeof ends)[number], ''>;

/** What the engine knows besides the order when it is made or put back. */
export interface OrderPlace {
  /** Number of the offer that an ask belongs to; of a bid that of its product. */
  readonly home: number;
  readonly priority: number;
  readonly at: number;
  readonly standing: boolean;
}

export class OpenOrders {
  /** What the book looks at. */
  readonly columns = new Orders();
  readonly accounts = new Names();
  readonly regions = new Names();
  readonly clusters = new Names();
  readonly nodes = new Names();
  private readonly users = new Names();
  private readonly ids = new OrderIds();
  private readonly details = new OrderDetails();
  /** Of the few that have one. */
  private readonly clientIds = new Map<number, string>();
  private readonly reasons = new Map<number, string>();

  /** The slot of an order that is open or has ended in this command; undefined for another. */
  find(id: string): number | undefined {
    const row = this.ids.find(id);
    return row === undefined ? undefined : slotOf(row);
  }

  /** An order with nothing filled and all of it open; an ask has no attributes of its node yet. */
  add(order: NewOrder, { home, priority, at, standing }: OrderPlace): number {
    const { columns } = this;
    const slot = columns.allocate();
    const row = rowOf(slot);
    this.details.reach(columns.rows);
    this.ids.add(row, order.id);
    columns.side[slot] = order.side === 'bid' ? bidSide : askSide;
    columns.price[slot] = order.price / tick;
    columns.open[slot] = order.quantity;
    columns.account[slot] = this.accounts.numberOf(order.accountId);
    columns.duration[slot] = order.durationHours;
    columns.region[slot] = order.region === null ? 0 : this.regions.numberOf(order.region);
    columns.score[slot] = order.minScore;
    columns.label[slot] = order.minLabel === null ? 0 : labels.indexOf(order.minLabel);
    this.details.nodes[row] = order.nodeId === null ? 0 : this.nodes.numberOf(order.nodeId);
    columns.cluster[slot] = 0;
    columns.placement[slot] = placements[order.placement];
    columns.minimum[slot] = order.minQuantity;
    columns.allOrNone[slot] = order.allOrNone ? 1 : 0;
    columns.setPriority(slot, priority);
    this.details.quantities[row] = order.quantity;
    this.details.filled[row] = 0;
    this.details.homes[row] = home;
    this.details.users[row] = order.userId === null ? 0 : this.users.numberOf(order.userId);
    this.details.flags[row] = (order.interruptible ? interruptibleFlag : 0) | (standing ? standingFlag : 0);
    this.details.forces[row] = timesInForce.indexOf(order.timeInForce);
    this.details.leastLabels[row] = order.minLabel === null ? noLabel : labels.indexOf(order.minLabel);
    this.details.endings[row] = 0;
    this.details.expiries[row] = order.expiresAt ?? never;
    this.details.created[row] = at;
    this.details.updated[row] = at;
    if (order.clientOrderId !== null) this.clientIds.set(slot, order.clientOrderId);
    return slot;
  }

  /** Puts back what happened to an order that {@link add} has just made. */
  restore(slot: number, { open, filled, reason, at }: OrderImage): void {
    this.columns.open[slot] = open;
    this.details.filled[rowOf(slot)] = filled;
    this.details.updated[rowOf(slot)] = at;
    this.setReason(slot, reason);
  }

  /** Forgets an order, once it was told that it is over. */
  release(slot: number): void {
    this.ids.remove(rowOf(slot));
    this.clientIds.delete(slot);
    this.reasons.delete(slot);
    this.columns.release(slot);
  }

  /** Every open order, in no order. */
  slots(): Int32Array {
    return this.ids.rows().map(slotOf);
  }

  /** Every open order, oldest place in time first. */
  slotsInTime(): Int32Array {
    return sortedInTime(this.slots(), this.columns);
  }

  idOf(slot: number): string {
    return this.ids.idOf(rowOf(slot));
  }
  isBid(slot: number): boolean {
    return this.columns.side[slot] === bidSide;
  }
  /** Micro-dollars per GPU-hour. */
  priceOf(slot: number): number {
    return (this.columns.price[slot] as number) * tick;
  }
  openOf(slot: number): number {
    return this.columns.open[slot] as number;
  }
  hoursOf(slot: number): number {
    return this.columns.duration[slot] as number;
  }
  priorityOf(slot: number): number {
    return this.columns.priorityOf(slot);
  }
  accountOf(slot: number): string {
    return this.accounts.nameOf(this.columns.account[slot] as number);
  }
  quantityOf(slot: number): number {
    return this.details.quantities[rowOf(slot)] as number;
  }
  filledOf(slot: number): number {
    return this.details.filled[rowOf(slot)] as number;
  }
  homeOf(slot: number): number {
    return this.details.homes[rowOf(slot)] as number;
  }
  isInterruptible(slot: number): boolean {
    return ((this.details.flags[rowOf(slot)] as number) & interruptibleFlag) !== 0;
  }
  isStanding(slot: number): boolean {
    return ((this.details.flags[rowOf(slot)] as number) & standingFlag) !== 0;
  }
  timeInForceOf(slot: number): NewOrder['timeInForce'] {
    return timesInForce[this.details.forces[rowOf(slot)] as number] as NewOrder['timeInForce'];
  }
  /** Infinity for never. */
  expiryOf(slot: number): number {
    return this.details.expiries[rowOf(slot)] as number;
  }
  isOver(slot: number): boolean {
    return this.details.endings[rowOf(slot)] !== 0;
  }
  /** Micro-dollars held back for what is open. */
  escrowOf(slot: number): number {
    return this.isBid(slot) ? this.priceOf(slot) * this.openOf(slot) * this.hoursOf(slot) : 0;
  }

  setQuantity(slot: number, quantity: number): void {
    this.details.quantities[rowOf(slot)] = quantity;
  }
  /** The book, or the auction, lowers what is open. */
  addFilled(slot: number, quantity: number): void {
    this.details.filled[rowOf(slot)] = (this.details.filled[rowOf(slot)] as number) + quantity;
  }
  setReason(slot: number, reason: string): void {
    if (reason === '') this.reasons.delete(slot);
    else this.reasons.set(slot, reason);
  }
  setUpdated(slot: number, at: number): void {
    this.details.updated[rowOf(slot)] = at;
  }
  /** Nothing of it is open any more; its slot stays until it is released. */
  end(slot: number, how: OrderEnd, reason: string): void {
    this.columns.open[slot] = 0;
    this.details.endings[rowOf(slot)] = ends.indexOf(how);
    this.setReason(slot, reason);
  }

  progressOf(slot: number): OrderProgress {
    return {
      id: this.idOf(slot),
      status: this.statusOf(slot),
      quantity: this.quantityOf(slot),
      price: this.priceOf(slot),
      durationHours: this.hoursOf(slot),
      open: this.openOf(slot),
      filled: this.filledOf(slot),
      escrow: this.escrowOf(slot),
      priority: this.priorityOf(slot),
      at: this.details.updated[rowOf(slot)] as number,
      reason: this.reasons.get(slot) ?? '',
    };
  }

  /** @param product the engine knows it from the order's home */
  imageOf(slot: number, product: string): OrderImage {
    const { columns } = this;
    const isBid = this.isBid(slot);
    const user = this.details.users[rowOf(slot)] as number;
    const region = columns.region[slot] as number;
    const node = this.details.nodes[rowOf(slot)] as number;
    const leastLabel = this.details.leastLabels[rowOf(slot)] as number;
    const expiry = this.expiryOf(slot);
    return {
      ...this.progressOf(slot),
      accountId: this.accountOf(slot),
      userId: user === 0 ? null : this.users.nameOf(user),
      clientOrderId: this.clientIds.get(slot) ?? null,
      side: isBid ? 'bid' : 'ask',
      product,
      timeInForce: this.timeInForceOf(slot),
      expiresAt: expiry === never ? null : expiry,
      allOrNone: columns.allOrNone[slot] === 1,
      minQuantity: columns.minimum[slot] as number,
      placement: placementNames[columns.placement[slot] as number] as NewOrder['placement'],
      region: isBid && region !== 0 ? this.regions.nameOf(region) : null,
      minScore: isBid ? (columns.score[slot] as number) : 0,
      minLabel: leastLabel === noLabel ? null : (labels[leastLabel] as NewOrder['minLabel']),
      nodeId: node === 0 ? null : this.nodes.nameOf(node),
      interruptible: this.isInterruptible(slot),
      standing: this.isStanding(slot),
      createdAt: this.details.created[rowOf(slot)] as number,
    };
  }

  /** Mixes in all that {@link imageOf} says. */
  digest(slot: number, product: string, digest: Digest): void {
    const { columns } = this;
    this.ids.digest(rowOf(slot), digest);
    digest.text(product);
    digest.text(this.accountOf(slot));
    digest.text(this.users.nameOf(this.details.users[rowOf(slot)] as number));
    digest.text(this.nodes.nameOf(this.details.nodes[rowOf(slot)] as number));
    digest.text(this.clientIds.get(slot) ?? '');
    digest.text(this.reasons.get(slot) ?? '');
    if (this.isBid(slot)) {
      digest.text(this.regions.nameOf(columns.region[slot] as number));
      digest.word(columns.score[slot] as number);
    }
    digest.word((columns.side[slot] as number) | ((this.details.flags[rowOf(slot)] as number) << 1));
    digest.word(
      (this.details.forces[rowOf(slot)] as number) | ((this.details.leastLabels[rowOf(slot)] as number) << 8),
    );
    digest.word((columns.placement[slot] as number) | ((columns.allOrNone[slot] as number) << 2));
    digest.word(columns.price[slot] as number);
    digest.word(this.openOf(slot));
    digest.word(this.quantityOf(slot));
    digest.word(this.filledOf(slot));
    digest.word(this.hoursOf(slot));
    digest.word(columns.minimum[slot] as number);
    digest.number(this.priorityOf(slot));
    digest.number(this.expiryOf(slot));
    digest.number(this.details.created[rowOf(slot)] as number);
    digest.number(this.details.updated[rowOf(slot)] as number);
  }

  /** A standing ask that has sold all waits for GPUs to come back. */
  private statusOf(slot: number): OrderStatus {
    const ending = ends[this.details.endings[rowOf(slot)] as number] as OrderEnd | '';
    if (ending !== '') return ending;
    const waits = this.isStanding(slot) && this.openOf(slot) === 0;
    return this.filledOf(slot) > 0 && !waits ? 'partial' : 'pending';
  }
}
