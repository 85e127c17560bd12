// Places, amends and cancels orders.

import { isNoCancel } from './auction-phases.ts';
import type { Command, EngineRefusal, Outcome, Result } from './commands.ts';
import type { Market } from './market.ts';
import { bringInLine } from './offering.ts';
import { mostGpus, type NewOrder, tick } from './order.ts';
import {
  checkAdmission,
  checkBand,
  checkMoney,
  checkOrder,
  checkPrice,
  tooFewGpus,
  unsoldGpus,
} from './order-checks.ts';
import { addOrder, endOrder } from './order-life.ts';
import { conflict, invalid, notFound } from './refusals.ts';

/** A new order: matched, and what is left rests, or goes as its time in force says. */
export function place(market: Market, order: NewOrder, now: number): Outcome {
  const refusal = checkOrder(market, order, now);
  if (refusal) return { refusal };
  const slot = addOrder(market, order, market.products.of(order.product), now);
  if (order.side === 'ask') market.changedOffers.add(market.offerOf(slot));
  if (!order.interruptible) market.incoming.add(slot);
  bringInLine(market, now);
  return { result: resultOf(market, slot) };
}

function resultOf(market: Market, slot: number): Result {
  return { order: market.orders.imageOf(slot, market.productOf(slot).name), trades: [...market.made] };
}

/** The slot of an order that its account, or an admin, may change. */
function findOwn(market: Market, orderId: string, accountId: string | null): number | EngineRefusal {
  const { orders } = market;
  const slot = orders.find(orderId);
  if (slot === undefined || (accountId !== null && orders.accountOf(slot) !== accountId)) {
    return notFound('open order', orderId);
  }
  if (!orders.isStanding(slot)) return slot;
  return conflict(
    'GPUB_STANDING_ORDER',
    `order ${orderId} follows the price of its node: change or remove that instead`,
  );
}

export function cancel(market: Market, command: Extract<Command, { kind: 'cancel' }>, now: number): Outcome {
  const slot = findOwn(market, command.orderId, command.accountId);
  if (typeof slot !== 'number') return { refusal: slot };
  if (isNoCancel(market, slot, now)) return { refusal: noCancel(command.orderId) };
  endOrder(market, slot, 'cancelled', command.reason, now);
  const result = { order: market.orders.imageOf(slot, market.productOf(slot).name) };
  bringInLine(market, now);
  return { result };
}

function noCancel(orderId: string): EngineRefusal {
  const message = `order ${orderId} is in an auction that clears soon: until then it may only rise`;
  return conflict('GPUB_AUCTION_NO_CANCEL', message);
}

/** What an order is to be. */
interface Amendment {
  readonly slot: number;
  readonly quantity: number;
  readonly price: number;
}

export function amend(market: Market, command: Extract<Command, { kind: 'amend' }>, now: number): Outcome {
  const { orders } = market;
  const slot = findOwn(market, command.orderId, command.accountId);
  if (typeof slot !== 'number') return { refusal: slot };
  const wanted = {
    slot,
    quantity: command.quantity ?? orders.quantityOf(slot),
    price: command.price ?? orders.priceOf(slot),
  };
  const refusal = checkAmendment(market, wanted, now);
  if (refusal) return { refusal };
  if (wanted.quantity !== orders.quantityOf(slot) || wanted.price !== orders.priceOf(slot)) {
    change(market, wanted, now);
    bringInLine(market, now);
  }
  return { result: resultOf(market, slot) };
}

function checkAmendment(market: Market, { slot, quantity, price }: Amendment, now: number): EngineRefusal | undefined {
  const { orders } = market;
  const product = market.productOf(slot);
  const filled = orders.filledOf(slot);
  if (!Number.isSafeInteger(quantity) || quantity <= filled || quantity > mostGpus) {
    return invalid('body.quantity', quantity, `a whole number from ${filled + 1} to ${mostGpus}`);
  }
  const accountId = orders.accountOf(slot);
  const isLower = quantity < orders.quantityOf(slot) || price < orders.priceOf(slot);
  if (isLower && isNoCancel(market, slot, now)) return noCancel(orders.idOf(slot));
  return (
    checkPrice(price) ??
    checkAdmission(market, accountId, product.name) ??
    (price === orders.priceOf(slot) ? undefined : checkBand(product, price)) ??
    (orders.isBid(slot) ? checkBidAmendment : checkAskAmendment)(market, { slot, quantity: quantity - filled, price })
  );
}

/** Both look at what would be open. */
function checkBidAmendment(market: Market, { slot, quantity, price }: Amendment): EngineRefusal | undefined {
  const { orders } = market;
  const terms = { price, quantity, durationHours: orders.hoursOf(slot) };
  return checkMoney(market, orders.accountOf(slot), terms, orders.escrowOf(slot));
}

function checkAskAmendment(market: Market, { slot, quantity }: Amendment): EngineRefusal | undefined {
  const offer = market.offerOf(slot);
  const left = unsoldGpus(market, offer, slot);
  return quantity <= left ? undefined : tooFewGpus(offer.node.id, left);
}

function change(market: Market, { slot, quantity, price }: Amendment, now: number): void {
  const { orders } = market;
  const { book } = market.productOf(slot);
  const held = orders.escrowOf(slot);
  const losesPlace = quantity > orders.quantityOf(slot) || price !== orders.priceOf(slot);
  if (book.has(slot)) book.remove(slot);
  orders.columns.open[slot] = quantity - orders.filledOf(slot);
  orders.columns.price[slot] = price / tick;
  orders.setQuantity(slot, quantity);
  orders.setReason(slot, '');
  if (losesPlace) changePriority(market, slot);
  market.move(slot, orders.escrowOf(slot) - held);
  market.tellChanged(slot, 'amended', now);
  if (!orders.isBid(slot)) market.changedOffers.add(market.offerOf(slot));
  if (!orders.isInterruptible(slot)) market.incoming.add(slot);
}

/** Its place among those that expire at the same time, and among the asks of its offer, follows from its priority. */
function changePriority(market: Market, slot: number): void {
  const { orders, expiries } = market;
  const expires = expiries.has(slot);
  if (expires) expiries.remove(slot);
  orders.columns.setPriority(slot, market.nextPriority());
  if (expires) expiries.add(slot);
  if (orders.isBid(slot)) return;
  const { manual } = market.offerOf(slot);
  manual.splice(manual.indexOf(slot), 1);
  manual.push(slot);
}
