// Plain data as the engine keeps it: with its fields in one order, and shared with nobody, so that what came back from
// JSON is the same as what went in.
import type { NewOrder, ProductRules, Trade } from './order.ts';
import type { NodePricing, NodeSupply } from './supply.ts';

export function copyRules(given: ProductRules): ProductRules {
  return {
    allocation: given.allocation,
    tradePrice: given.tradePrice,
    minShare: given.minShare,
    minLabel: given.minLabel,
    gpusPerNode: given.gpusPerNode,
    bandBps: given.bandBps,
    auctionIntervalS: given.auctionIntervalS,
    auctionNoCancelS: given.auctionNoCancelS,
    auctionHours: given.auctionHours,
    interruptionNoticeS: given.interruptionNoticeS,
  };
}

export function copySupply(given: NodeSupply): NodeSupply {
  return {
    nodeId: given.nodeId,
    clusterId: given.clusterId,
    providerId: given.providerId,
    accountId: given.accountId,
    region: given.region,
    gpus: given.gpus.map(({ id, product, label, score, sellable, occupied }) => ({
      id,
      product,
      label,
      score,
      sellable,
      occupied,
    })),
  };
}

export function copyPricing(given: NodePricing): NodePricing {
  return {
    nodeId: given.nodeId,
    basePrice: given.basePrice,
    surge: given.surge,
    maxDurationHours: given.maxDurationHours,
    availableUntil: given.availableUntil,
    withheld: typeof given.withheld === 'number' ? given.withheld : [...given.withheld],
  };
}

export function copyTrade(given: Trade): Trade {
  return {
    id: given.id,
    number: given.number,
    product: given.product,
    bidOrderId: given.bidOrderId,
    askOrderId: given.askOrderId,
    buyerAccountId: given.buyerAccountId,
    sellerAccountId: given.sellerAccountId,
    nodeId: given.nodeId,
    clusterId: given.clusterId,
    gpuIds: [...given.gpuIds],
    quantity: given.quantity,
    price: given.price,
    bidPrice: given.bidPrice,
    durationHours: given.durationHours,
    executedAt: given.executedAt,
    endsAt: given.endsAt,
    interruptible: given.interruptible,
    auctionId: given.auctionId,
    escrow: given.escrow,
    settledSeconds: given.settledSeconds,
    captured: given.captured,
    endedAt: given.endedAt,
    endReason: given.endReason,
    reclaimAt: given.reclaimAt,
  };
}

/** The neutral values of what only bids have. */
export const askOnly = {
  allOrNone: false,
  minQuantity: 1,
  placement: 'any',
  region: null,
  minScore: 0,
  minLabel: null,
} as const satisfies Partial<NewOrder>;
