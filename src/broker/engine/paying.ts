// Money in and out, payment for what a lease has used, and the end of holds.
import type { Command, Outcome } from './commands.ts';
import type { Market } from './market.ts';
import { giveBackGpus } from './nodes.ts';
import { bringInLine } from './offering.ts';
import type { Trade } from './order.ts';
import { costOfSeconds } from './prices.ts';
import { insufficientFunds, invalid, notFound } from './refusals.ts';

/** The most that an account may have in all, so that sums stay exact: a million million dollars would be too much. */
const mostMoney = 1_000_000_000_000_000;

const isAmount = (amount: number) => Number.isSafeInteger(amount) && amount > 0;

export function deposit({ wallets }: Market, command: Extract<Command, { kind: 'deposit' }>): Outcome {
  const { id, accountId, amount, reference } = command;
  const { available, escrow } = wallets.of(accountId);
  const room = mostMoney - available - escrow;
  if (!isAmount(amount) || amount > room) {
    return { refusal: invalid('body.amount', amount / 1_000_000, `USD above 0, and at most ${room / 1_000_000}`) };
  }
  wallets.deposit(accountId, amount, { id, reference });
  return { result: { available: wallets.of(accountId).available } };
}

export function withdraw({ wallets }: Market, command: Extract<Command, { kind: 'withdraw' }>): Outcome {
  const { id, accountId, amount, reference } = command;
  if (!isAmount(amount)) return { refusal: invalid('body.amount', amount / 1_000_000, 'USD above 0') };
  const { available } = wallets.of(accountId);
  if (amount > available) return { refusal: insufficientFunds(amount, available) };
  wallets.withdraw(accountId, amount, { id, reference });
  return { result: { available: wallets.of(accountId).available } };
}

/** Pays for the first seconds of a trade's lease; what is paid already is not paid again. */
export function settle(market: Market, command: Extract<Command, { kind: 'settle' }>): Outcome {
  const trade = market.holds.get(command.tradeId);
  if (!trade) return { refusal: notFound('trade that holds its GPUs', command.tradeId) };
  const { seconds } = command;
  const most = trade.durationHours * 3600;
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > most) {
    return { refusal: invalid('body.seconds', seconds, `a whole number from 0 to ${most}`) };
  }
  if (seconds <= trade.settledSeconds) return { result: { captured: trade.captured } };
  const captured = costOfSeconds(trade.price, trade.quantity, seconds);
  const amount = captured - trade.captured;
  const after = { ...trade, escrow: trade.escrow - amount, settledSeconds: seconds, captured };
  market.holds.replace(after);
  market.events.push({ type: 'trade-changed', cause: 'settled', trade: after });
  if (amount > 0) market.wallets.capture(trade.buyerAccountId, trade.sellerAccountId, amount, { tradeId: trade.id });
  return { result: { captured } };
}

export function endHoldNow(market: Market, command: Extract<Command, { kind: 'end-hold' }>, now: number): Outcome {
  const trade = market.holds.get(command.tradeId);
  if (!trade) return { refusal: notFound('trade that holds its GPUs', command.tradeId) };
  endHold(market, trade, command.reason, now);
  bringInLine(market, now);
  return { result: { captured: trade.captured } };
}

/** The trade's GPUs are free again, and what was not paid goes back to the buyer. */
export function endHold(market: Market, trade: Trade, reason: string, at: number): void {
  const { holds, nodes, wallets, events } = market;
  const after = { ...trade, escrow: 0, endedAt: at, endReason: reason };
  holds.remove(trade);
  events.push({ type: 'trade-changed', cause: 'ended', trade: after });
  if (trade.escrow > 0) wallets.hold(trade.buyerAccountId, -trade.escrow, { tradeId: trade.id });
  // A GPU may be another product by now: an admin has mapped it anew.
  for (const offer of nodes.find(trade.nodeId)?.offers.values() ?? []) {
    if (giveBackGpus(offer, trade.gpuIds)) market.changedOffers.add(offer);
  }
}
