// What nodes have to sell: which of their GPUs are free, and the asks that sell them.
import { type Label, labels } from './order.ts';
import type { Product } from './products.ts';
import type { NodePricing, NodeSupply, SupplyGpu } from './supply.ts';

const hour = 3_600_000;
const none = -1;

/** A GPU as the engine sees it. */
export interface OfferedGpu {
  readonly id: string;
  /** Index into `labels`. */
  readonly label: number;
  readonly score: number;
  /** Sellable, unoccupied and not withheld; the product's lowest label is looked at later. */
  readonly offered: boolean;
  held: boolean;
}

/** The GPUs of one product on one node, and their asks. */
export interface Offer {
  /** Its place in {@link Nodes.offers}. */
  readonly number: number;
  readonly node: Node;
  readonly product: Product;
  gpus: OfferedGpu[];
  /** Slots of open asks that somebody placed, oldest first. */
  manual: number[];
  /** Slot of the standing ask; -1 for none. */
  standing: number;
  /** When its price changed last. */
  repricedAt: number;
  /** What the standing ask costs, in micro-dollars per GPU-hour. */
  price: number;
  /** Of its GPUs, when they were counted last. */
  free: number;
  leased: number;
  /** The lowest of its free GPUs; of the last ones where none is free. */
  score: number;
  label: number;
  /** Number of the cluster's use that it counts in; -1 for none. */
  use: number;
}

export interface Node {
  readonly id: string;
  readonly number: number;
  supply: NodeSupply | undefined;
  pricing: NodePricing | undefined;
  readonly offers: Map<Product, Offer>;
  /** When the longest lease that it sells becomes shorter; Infinity for never. */
  shortensAt: number;
}

export class Nodes {
  readonly list: Node[] = [];
  readonly offers: Offer[] = [];
  private readonly byId = new Map<string, Node>();

  find(id: string): Node | undefined {
    return this.byId.get(id);
  }

  of(id: string): Node {
    let node = this.byId.get(id);
    if (!node) {
      node = {
        id,
        number: this.list.length,
        supply: undefined,
        pricing: undefined,
        offers: new Map(),
        shortensAt: Number.POSITIVE_INFINITY,
      };
      this.list.push(node);
      this.byId.set(id, node);
    }
    return node;
  }

  offerOf(node: Node, product: Product): Offer {
    let offer = node.offers.get(product);
    if (!offer) {
      offer = {
        number: this.offers.length,
        node,
        product,
        gpus: [],
        manual: [],
        standing: none,
        repricedAt: 0,
        price: 0,
        free: 0,
        leased: 0,
        score: 0,
        label: 0,
        use: none,
      };
      this.offers.push(offer);
      node.offers.set(product, offer);
    }
    return offer;
  }
}

/** By node and product: what is done to several at once must not follow from which of them was known first. */
export function inOrder(offers: Iterable<Offer>): Offer[] {
  const list = [...offers];
  if (list.length < 2) return list;
  return list.sort((one, other) =>
    one.node === other.node ? compare(one.product.name, other.product.name) : compare(one.node.id, other.node.id),
  );
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

/** Gives every offer of a node its GPUs anew, from what is known of the node. */
export function shareOutGpus(
  node: Node,
  isHeld: (gpuId: string) => boolean,
  offerOf: (product: string) => Offer,
): void {
  const shared = new Map<Offer, OfferedGpu[]>();
  for (const [index, gpu] of (node.supply?.gpus ?? []).entries()) {
    const offer = offerOf(gpu.product);
    const gpus = shared.get(offer) ?? [];
    shared.set(offer, gpus);
    gpus.push({
      id: gpu.id,
      label: labels.indexOf(gpu.label),
      score: Math.floor(gpu.score),
      offered: gpu.sellable && !gpu.occupied && !isWithheld(node, gpu, index),
      held: isHeld(gpu.id),
    });
  }
  for (const offer of node.offers.values()) offer.gpus = shared.get(offer) ?? [];
}

function isWithheld({ supply, pricing }: Node, { id }: SupplyGpu, index: number): boolean {
  const withheld = pricing?.withheld ?? 0;
  if (typeof withheld !== 'number') return withheld.includes(id);
  return index >= (supply?.gpus.length ?? 0) - withheld;
}

function isFree({ offered, held, label }: OfferedGpu, leastLabel: number): boolean {
  return offered && !held && label >= leastLabel;
}

/** Counts the free and the leased GPUs of an offer. */
export function count(offer: Offer): void {
  const leastLabel = labels.indexOf(offer.product.rules.minLabel);
  let free = 0;
  let leased = 0;
  let score = 100;
  let label = labels.length - 1;
  for (const gpu of offer.gpus) {
    if (gpu.held) leased++;
    if (!isFree(gpu, leastLabel)) continue;
    free++;
    score = Math.min(score, gpu.score);
    label = Math.min(label, gpu.label);
  }
  offer.free = free;
  offer.leased = leased;
  if (free === 0) return;
  offer.score = score;
  offer.label = label;
}

/** The first free GPUs of an offer, by name; they are held from then on. */
export function takeGpus(offer: Offer, quantity: number): string[] {
  const leastLabel = labels.indexOf(offer.product.rules.minLabel);
  const taken: string[] = [];
  for (const gpu of offer.gpus) {
    if (taken.length === quantity) break;
    if (!isFree(gpu, leastLabel)) continue;
    gpu.held = true;
    taken.push(gpu.id);
  }
  return taken;
}

/** Holds these GPUs. @returns whether one of them is of this offer */
export function holdGpus(offer: Offer, gpuIds: readonly string[]): boolean {
  return setHeld(offer, gpuIds, true);
}

/** Their hold has ended. @returns whether one of them is of this offer */
export function giveBackGpus(offer: Offer, gpuIds: readonly string[]): boolean {
  return setHeld(offer, gpuIds, false);
}

function setHeld({ gpus }: Offer, gpuIds: readonly string[], held: boolean): boolean {
  const own = gpus.filter(({ id }) => gpuIds.includes(id));
  for (const gpu of own) gpu.held = held;
  return own.length > 0;
}

/** The longest lease that a priced node sells at a time, in hours. */
export function longestLease({ maxDurationHours, availableUntil }: NodePricing, now: number): number {
  if (availableUntil === null) return maxDurationHours;
  return Math.max(0, Math.min(maxDurationHours, Math.floor((availableUntil - now) / hour)));
}

/** When that becomes shorter; Infinity for never. */
export function shortensAt(pricing: NodePricing | undefined, now: number): number {
  if (!pricing || pricing.availableUntil === null) return Number.POSITIVE_INFINITY;
  const hours = longestLease(pricing, now);
  return hours === 0 ? Number.POSITIVE_INFINITY : pricing.availableUntil - hours * hour + 1;
}

export function labelOf(offer: Offer): Label {
  return labels[offer.label] as Label;
}
