// Keeps asks true: never more than the free GPUs of their node, at the price that holds, with what the GPUs are.
import { askOnly } from './canonical.ts';
import type { Market } from './market.ts';
import { count, inOrder, longestLease, type Offer } from './nodes.ts';
import { tick } from './order.ts';
import { endOrder, enter } from './order-life.ts';
import { matchIncoming } from './trading.ts';
import { hasSurgePrice, isBefore, priceAt, repriceInterval, type Use, watch } from './uses.ts';

const never = Number.POSITIVE_INFINITY;

/** Brings all offers and prices in line with what has changed, and matches what may trade because of it. */
export function bringInLine(market: Market, at: number): void {
  for (;;) {
    // All that shrinks has shrunk before anything is matched: nothing is sold twice.
    while (market.changedOffers.size > 0) {
      const offers = inOrder(market.changedOffers);
      market.changedOffers.clear();
      for (const offer of offers) bringOfferInLine(market, offer, at);
    }
    const [next] = market.incoming;
    if (next !== undefined) {
      market.incoming.delete(next);
      matchIncoming(market, next, at);
      continue;
    }
    const use = firstOf(market.changedUses);
    if (use === undefined) return;
    market.changedUses.delete(use);
    reprice(market, use, at);
  }
}

/** By product and cluster. */
function firstOf(uses: Iterable<Use>): Use | undefined {
  let first: Use | undefined;
  for (const use of uses) if (!first || isBefore(use, first)) first = use;
  return first;
}

/** Counts an offer's GPUs, also in the use of its cluster. */
export function countOffer(market: Market, offer: Offer): void {
  const before = { free: offer.free, leased: offer.leased };
  const clusterId = offer.node.supply?.clusterId;
  count(offer);
  const use = clusterId === undefined ? undefined : market.uses.of(clusterId, offer.product);
  const old = market.uses.list[offer.use];
  if (use === old && before.free === offer.free && before.leased === offer.leased) return;
  if (old) changeUse(market, old, -before.leased, -before.free - before.leased);
  if (use) changeUse(market, use, offer.leased, offer.free + offer.leased);
  if (use === old) return;
  old?.offers.delete(offer);
  if (use) {
    use.offers.add(offer);
    watch(use, offer);
  }
  offer.use = use?.number ?? -1;
}

function changeUse(market: Market, use: Use, leased: number, sellableOrLeased: number): void {
  use.leased += leased;
  use.sellableOrLeased += sellableOrLeased;
  market.changedUses.add(use);
}

function bringOfferInLine(market: Market, offer: Offer, at: number): void {
  countOffer(market, offer);
  const left = lowerManualAsks(market, offer, at);
  const { pricing, supply } = offer.node;
  if (pricing && supply && offer.gpus.length > 0) {
    if (offer.standing < 0) createStandingAsk(market, offer, at);
    const hours = longestLease(pricing, at);
    changeAsk(
      market,
      offer,
      offer.standing,
      { open: hours > 0 ? left : 0, price: offer.price, hours: Math.max(hours, 1) },
      at,
    );
  } else if (offer.standing >= 0) {
    endOrder(market, offer.standing, 'cancelled', pricing ? 'supply' : 'pricing-removed', at);
  }
}

/** Asks of more than the free GPUs are lowered, the newest first. @returns GPUs that no such ask sells */
function lowerManualAsks(market: Market, offer: Offer, at: number): number {
  const { orders } = market;
  let left = offer.free;
  for (const slot of [...offer.manual]) {
    const open = Math.min(orders.openOf(slot), left);
    left -= open;
    if (open === 0) {
      endOrder(market, slot, 'cancelled', 'supply', at);
      continue;
    }
    changeAsk(market, offer, slot, { open, price: orders.priceOf(slot), hours: orders.hoursOf(slot) }, at);
  }
  return left;
}

function createStandingAsk(market: Market, offer: Offer, at: number): void {
  const { node, product } = offer;
  const use = market.uses.list[offer.use] as Use;
  const order = {
    id: market.nextId(at),
    accountId: node.supply?.accountId ?? '',
    userId: null,
    clientOrderId: null,
    side: 'ask',
    product: product.name,
    quantity: 0,
    price: priceAt(use, offer),
    durationHours: 1,
    timeInForce: 'gtc',
    expiresAt: null,
    nodeId: node.id,
    interruptible: false,
    ...askOnly,
  } as const;
  const place = { home: offer.number, priority: market.nextPriority(), at, standing: true };
  enter(market, market.orders.add(order, place));
  setPrice(market, offer, order.price, at);
  watch(use, offer);
  market.tellCreated(offer.standing);
}

/** What the standing ask of an offer costs from now on; the order itself follows. */
export function setPrice(market: Market, offer: Offer, price: number, at: number): void {
  offer.price = price;
  offer.repricedAt = at;
  market.changedOffers.add(offer);
  market.tellStandingAsk(offer);
}

interface Terms {
  readonly open: number;
  readonly price: number;
  readonly hours: number;
}

/** Gives an ask its terms and what its GPUs are; one that may trade more than before comes in anew. */
function changeAsk(market: Market, offer: Offer, slot: number, { open, price, hours }: Terms, at: number): void {
  const { orders } = market;
  const before = { open: orders.openOf(slot), price: orders.priceOf(slot), hours: orders.hoursOf(slot) };
  const better = describe(market, offer, slot, open);
  const grows = open > before.open;
  const isTold = open !== before.open || price !== before.price || hours !== before.hours;
  if (!isTold && !better.differs) return;
  const { book } = offer.product;
  if (book.has(slot)) book.remove(slot);
  const { columns } = orders;
  better.apply();
  columns.open[slot] = open;
  columns.price[slot] = price / tick;
  columns.duration[slot] = hours;
  if (grows || price !== before.price) columns.setPriority(slot, market.nextPriority());
  if (isTold) {
    orders.setQuantity(slot, orders.filledOf(slot) + open);
    if (!orders.isStanding(slot)) orders.setReason(slot, 'supply');
    market.tellChanged(slot, price === before.price ? 'resized' : 'priced', at);
  }
  rest(market, slot, grows || price !== before.price || better.differs);
}

/** Where an ask goes after it was changed. */
function rest(market: Market, slot: number, mayTrade: boolean): void {
  const { orders, incoming } = market;
  if (orders.isInterruptible(slot)) return;
  if (orders.openOf(slot) === 0) incoming.delete(slot);
  else if (mayTrade) incoming.add(slot);
  else if (!incoming.has(slot)) market.productOf(slot).book.insert(slot);
}

/** What the GPUs of an offer are, as the book looks at it in its asks. */
export function describe(
  market: Market,
  offer: Offer,
  slot: number,
  open: number,
): { differs: boolean; apply(): void } {
  const { columns, regions, clusters } = market.orders;
  const region = regions.numberOf(offer.node.supply?.region ?? '');
  const cluster = clusters.numberOf(offer.node.supply?.clusterId ?? '');
  const { score, label } = offer;
  const differs =
    open > 0 &&
    (columns.region[slot] !== region ||
      columns.cluster[slot] !== cluster ||
      columns.score[slot] !== score ||
      columns.label[slot] !== label);
  const apply = () => {
    columns.region[slot] = region;
    columns.cluster[slot] = cluster;
    columns.score[slot] = score;
    columns.label[slot] = label;
  };
  return { differs, apply };
}

/** Gives the offers of a cluster the price that follows from its use, as far as it may change already. */
export function reprice(market: Market, use: Use, at: number): void {
  let checkAt = never;
  let calmUntil = never;
  if (at >= use.calmUntil) {
    for (const offer of use.offers) {
      if (!hasSurgePrice(offer)) continue;
      const price = priceAt(use, offer);
      if (price !== offer.price && at >= offer.repricedAt + repriceInterval) setPrice(market, offer, price, at);
      else if (price !== offer.price) checkAt = Math.min(checkAt, offer.repricedAt + repriceInterval);
      calmUntil = Math.min(calmUntil, offer.repricedAt + repriceInterval);
    }
    use.calmUntil = calmUntil;
  } else checkAt = use.calmUntil;
  market.checks.remove(use.number);
  use.checkAt = checkAt;
  if (checkAt !== never) market.checks.add(use.number);
}
