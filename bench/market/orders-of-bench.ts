// What the benchmarks of the pipeline put into the market.
import type { NewOrder } from '../../src/broker/engine/order.ts';
import type { NodePricing, NodeSupply } from '../../src/broker/engine/supply.ts';
import { newId } from '../../src/broker/ids.ts';

export const product = 'H100-SXM5-80GB';
export const million = 1_000_000;

/** A node whose GPUs can all be sold. */
export function nodeWith(gpus: number): NodeSupply {
  return {
    nodeId: newId(),
    clusterId: newId(),
    providerId: newId(),
    accountId: newId(),
    region: 'eu-1',
    gpus: Array.from({ length: gpus }, () => ({
      id: newId(),
      product,
      label: 'measured',
      score: 80,
      sellable: true,
      occupied: false,
    })),
  };
}

export function priced(nodeId: string, basePrice: number): NodePricing {
  return { nodeId, basePrice, surge: false, maxDurationHours: 720, availableUntil: null, withheld: 0 };
}

/** A bid for one GPU on a node for an hour, at 3 USD. */
export function bid(accountId: string, order: Partial<NewOrder> = {}): NewOrder {
  return {
    id: newId(),
    accountId,
    userId: accountId,
    clientOrderId: null,
    side: 'bid',
    product,
    quantity: 1,
    price: 3 * million,
    durationHours: 1,
    timeInForce: 'gtc',
    expiresAt: null,
    allOrNone: false,
    minQuantity: 1,
    placement: 'node',
    region: null,
    minScore: 0,
    minLabel: null,
    nodeId: null,
    interruptible: false,
    ...order,
  };
}
