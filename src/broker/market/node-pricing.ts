// What a provider asks for the GPUs of a node: set, shown, taken back. The market keeps a standing ask that follows.
import { formatMoney } from '../../api/money.ts';
import type { NewNodePricing, NodePricing as ShownPricing } from '../../api/pricing.ts';
import type { NodeOffer } from '../engine/contract.ts';
import { longestHours } from '../engine/order.ts';
import type { NodePricing } from '../engine/supply.ts';
import type { Principal } from '../identity/principal.ts';
import { invalid, notFound } from '../refusal.ts';
import { decommissioned } from '../registry/nodes.ts';
import { findNode } from '../registry/ownership.ts';
import type { Database } from '../storage/database.ts';
import { actAsAdmin } from './admin.ts';
import type { MarketContext } from './orders.ts';
import { priceFrom } from './price-input.ts';

type PricingContext = Pick<MarketContext, 'db' | 'now' | 'pipeline'>;

/**
 * Sells the free GPUs of a node from now on.
 * @throws Refusal not-found; `GPUB_NODE_DECOMMISSIONED`; `GPUB_INVALID`; those of the pipeline
 */
export async function setNodePricing(
  context: PricingContext,
  principal: Principal,
  nodeId: string,
  given: NewNodePricing,
): Promise<void> {
  const { db, now } = context;
  const node = await findNode(db, principal, nodeId);
  if (node.decommissioned_at) throw decommissioned(nodeId);
  const pricing: NodePricing = {
    nodeId: node.id,
    basePrice: priceFrom('body.base_price', given.base_price),
    surge: given.surge_enabled,
    maxDurationHours: given.max_duration_hours ?? longestHours,
    availableUntil: availableUntil(given.available_until, now()),
    withheld: await withheldGpus(db, node.id, given.withheld_gpus),
  };
  await actAsAdmin(context, principal, {
    action: 'node-pricing.update',
    command: { kind: 'set-pricing', pricing },
    accountId: node.account_id,
    target: { kind: 'node', id: node.id },
    details: pricingView(pricing),
  });
}

/** @throws Refusal not-found, also for a node without a price */
export async function getNodePricing(
  { db, pipeline }: PricingContext,
  principal: Principal,
  nodeId: string,
): Promise<ShownPricing> {
  const node = await findNode(db, principal, nodeId);
  const { pricing, offers } = await pipeline.read((market) => ({
    pricing: market.pricing(node.id),
    offers: market.offers().filter((offer) => offer.nodeId === node.id),
  }));
  if (!pricing) throw notFound('price of the node', nodeId);
  return { ...pricingView(pricing), offers: offers.map(offerView) };
}

/** Its standing asks end; what was traded stays traded. @throws Refusal not-found, also for a node without a price */
export async function removeNodePricing(context: PricingContext, principal: Principal, nodeId: string): Promise<void> {
  const { db, pipeline } = context;
  const node = await findNode(db, principal, nodeId);
  const priced = await pipeline.read((market) => market.pricing(node.id) !== undefined);
  if (!priced) throw notFound('price of the node', nodeId);
  await actAsAdmin(context, principal, {
    action: 'node-pricing.delete',
    command: { kind: 'remove-pricing', nodeId: node.id },
    accountId: node.account_id,
    target: { kind: 'node', id: node.id },
    details: {},
  });
}

function pricingView({ nodeId, basePrice, surge, maxDurationHours, availableUntil, withheld }: NodePricing) {
  return {
    node_id: nodeId,
    base_price: formatMoney(basePrice),
    surge_enabled: surge,
    max_duration_hours: maxDurationHours,
    available_until: availableUntil === null ? null : new Date(availableUntil).toISOString(),
    withheld_gpus: typeof withheld === 'number' ? withheld : [...withheld],
  };
}

function offerView({ product, price, open }: NodeOffer) {
  return { gpu_type: product, price: formatMoney(price), open_quantity: open };
}

function availableUntil(text: string | null | undefined, now: Date): number | null {
  if (text == null) return null;
  const at = Date.parse(text);
  if (!(at > now.getTime())) throw invalid('body.available_until', text, 'a time to come, or null');
  return at;
}

/** Ids as the inventory writes them. @throws Refusal `GPUB_INVALID` where one is no GPU of the node */
async function withheldGpus(
  db: Database,
  nodeId: string,
  given: NewNodePricing['withheld_gpus'],
): Promise<number | string[]> {
  if (given === undefined || typeof given === 'number') return given ?? 0;
  if (given.length === 0) return 0;
  const wanted = given.map((id) => id.toLowerCase());
  const rows = await db
    .selectFrom('gpus')
    .select('id')
    .where('node_id', '=', nodeId)
    .where('id', 'in', wanted)
    .execute();
  const found = new Set(rows.map(({ id }) => id));
  const foreign = wanted.find((id) => !found.has(id));
  if (foreign !== undefined) throw invalid('body.withheld_gpus', foreign, 'ids of GPUs of this node, or a number');
  return wanted.sort();
}
