// From the body of a request to a complete order: names resolved, defaults filled in, what excludes each other refused.
import type { NewOrder as OrderBody } from '../../api/orders.ts';
import type { NewOrder, Placement, ProductRules } from '../engine/order.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { invalid } from '../refusal.ts';
import { priceFrom } from './price-input.ts';
import type { ProductNames } from './product-names.ts';
import type { ProductStates } from './product-states.ts';

/** What the market looks up for an order; both answer from memory. */
export interface OrderContext {
  readonly names: ProductNames;
  readonly states: ProductStates;
}

/** Only bids have these. */
const ofBids = ['all_or_none', 'min_quantity', 'placement', 'region', 'min_score', 'min_label'] as const;

/**
 * The order that somebody asks for, as the engine takes it.
 * @param now milliseconds since 1970
 * @throws Refusal `GPUB_INVALID`, `GPUB_UNKNOWN_PRODUCT`
 */
export async function newOrderFrom(
  { names, states }: OrderContext,
  { accountId, userId }: Pick<Principal, 'accountId' | 'userId'>,
  body: OrderBody,
  now: number,
): Promise<NewOrder> {
  checkSide(body);
  const product = await names.resolve(body.gpu_type, 'body.gpu_type');
  return {
    id: newId(now),
    accountId,
    userId,
    clientOrderId: body.client_order_id ?? null,
    side: body.type,
    product,
    quantity: body.quantity,
    price: priceFrom('body.price', body.price),
    durationHours: body.duration_hours,
    ...lifetime(body, now),
    allOrNone: body.all_or_none ?? false,
    minQuantity: minQuantity(body),
    placement: placement(body, states.of(product).rules),
    region: body.region ?? null,
    minScore: body.min_score ?? 0,
    minLabel: body.min_label ?? null,
    nodeId: body.node_id?.toLowerCase() ?? null,
    interruptible: body.interruptible ?? false,
  };
}

function checkSide(body: OrderBody): void {
  if (body.type === 'bid') {
    if (body.node_id !== undefined) throw invalid('body.node_id', body.node_id, 'none: bids name no node');
    return;
  }
  if (body.node_id === undefined) throw invalid('body.node_id', null, 'the id of the node whose GPUs are sold');
  for (const name of ofBids) {
    if (body[name] !== undefined) throw invalid(`body.${name}`, body[name], 'none: only bids have it');
  }
}

function lifetime(body: OrderBody, now: number): Pick<NewOrder, 'timeInForce' | 'expiresAt'> {
  const { expires_at } = body;
  const timeInForce = body.time_in_force ?? (expires_at === undefined ? 'gtc' : 'gtd');
  if (expires_at === undefined) {
    if (timeInForce === 'gtd') throw invalid('body.expires_at', null, 'a time in the future: gtd needs it');
    return { timeInForce, expiresAt: null };
  }
  if (timeInForce !== 'gtd') throw invalid('body.expires_at', expires_at, `none: ${timeInForce} does not expire`);
  const expiresAt = Date.parse(expires_at);
  if (expiresAt <= now) throw invalid('body.expires_at', expires_at, 'a time in the future');
  return { timeInForce, expiresAt };
}

function minQuantity({ min_quantity = 1, quantity }: OrderBody): number {
  if (min_quantity > quantity) throw invalid('body.min_quantity', min_quantity, `at most the quantity, ${quantity}`);
  return min_quantity;
}

/** A bid that one node could hold is meant for one, unless it says that it takes less. */
function placement(body: OrderBody, { gpusPerNode }: ProductRules): Placement {
  if (body.type === 'ask') return 'any';
  if (body.placement !== undefined) return body.placement;
  if (body.interruptible || body.min_quantity !== undefined) return 'any';
  return body.quantity <= gpusPerNode ? 'node' : 'any';
}
