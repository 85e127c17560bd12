// Money, orders and trades of somebody, straight into the market of an API.
import type { Pipeline } from '../../../src/broker/commit/contract.ts';
import type { NewOrder, OrderImage, Trade } from '../../../src/broker/engine/order.ts';
import type { NodeSupply } from '../../../src/broker/engine/supply.ts';
import { newId } from '../../../src/broker/ids.ts';
import { million, newOrder, nodePricing, nodeSupply, type TestNode } from '../../fixtures/market.ts';

type Market = Pick<Pipeline, 'submit'>;

/** Gives an account money: a million dollars, unless it is said otherwise. */
export async function fund(market: Market, accountId: string, amount = million * million): Promise<void> {
  await market.submit({ command: { kind: 'deposit', id: newId(), accountId, amount, reference: '' }, actor: null });
}

/** A node with GPUs that can be sold, and a standing ask if it has a price. */
export async function addSupply(market: Market, given: TestNode = {}): Promise<NodeSupply> {
  const node = nodeSupply(given);
  await market.submit({ command: { kind: 'supply', node }, actor: null });
  if (given.price !== undefined) {
    const pricing = nodePricing(node.nodeId, given.price, given.pricing);
    await market.submit({ command: { kind: 'set-pricing', pricing }, actor: null });
  }
  return node;
}

/** Places an order with the money that it needs. */
export async function addOrder(
  market: Market,
  given: Partial<NewOrder> & Pick<NewOrder, 'accountId'>,
): Promise<{ order: OrderImage; trades: readonly Trade[] }> {
  const placed = newOrder(given);
  const { side, accountId, price, quantity, durationHours } = placed;
  if (side === 'bid') await fund(market, accountId, price * quantity * durationHours);
  const { order, trades = [] } = await market.submit({ command: { kind: 'place', order: placed }, actor: null });
  if (!order) throw new Error('the market answered without an order');
  return { order, trades };
}

/** A product in which nobody trades but {@link addTrade}. */
const quiet = 'A100-SXM4-40GB';

/** A trade of the account with a seller of its own. */
export async function addTrade(market: Market, buyerAccountId: string): Promise<Trade> {
  const { nodeId } = await addSupply(market, { price: million, product: quiet, gpus: 1 });
  const { trades } = await addOrder(market, { accountId: buyerAccountId, price: million, product: quiet });
  const trade = trades.find((one) => one.nodeId === nodeId);
  if (!trade) throw new Error('nothing was traded');
  return trade;
}
