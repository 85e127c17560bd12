// The routes of prices: what nodes are sold at, what GPUs cost now, and what they have cost.
import { Done, IdParams } from '../../../../api/fields.ts';
import {
  NewNodePricing,
  NodePricing,
  PriceEstimate,
  PriceIndexPage,
  PriceIndexQuery,
  PriceRequest,
  SpotPrices,
  SpotQuery,
} from '../../../../api/pricing.ts';
import { getNodePricing, removeNodePricing, setNodePricing } from '../../../market/node-pricing.ts';
import type { MarketContext } from '../../../market/orders.ts';
import { priceIndex } from '../../../market/price-index.ts';
import { estimatePrice, spotPrices } from '../../../market/spot.ts';
import type { ApiServer } from '../app.ts';

const tags = ['pricing'];

/** Registers them. */
export function pricingRoutes(app: ApiServer, services: MarketContext): void {
  nodePricingRoutes(app, services);
  app.get(
    '/api/v2/pricing/spot',
    {
      config: { action: 'pricing.read' },
      schema: {
        tags,
        summary: 'What nodes ask now, by product and region',
        querystring: SpotQuery,
        response: { 200: SpotPrices },
      },
    },
    async ({ query }) => ({ items: await spotPrices(services, query), next_cursor: null }),
  );
  app.post(
    '/api/v2/pricing/calculate',
    {
      config: { action: 'pricing.read' },
      schema: {
        tags,
        summary: 'What GPUs for a time would cost now; nothing is ordered',
        body: PriceRequest,
        response: { 200: PriceEstimate },
      },
    },
    ({ principal, body }) => estimatePrice(services, principal, body),
  );
  app.get(
    '/api/v2/pricing/index',
    {
      config: { action: 'pricing.read' },
      schema: {
        tags,
        summary: 'The price index of a product, oldest window first',
        querystring: PriceIndexQuery,
        response: { 200: PriceIndexPage },
      },
    },
    ({ query }) => priceIndex(services, query),
  );
}

function nodePricingRoutes(app: ApiServer, services: MarketContext): void {
  app.put(
    '/api/v2/nodes/:id/pricing',
    {
      config: { action: 'node-pricing.update' },
      schema: {
        tags,
        summary: 'Sell its free GPUs at a price',
        params: IdParams,
        body: NewNodePricing,
        response: { 200: Done },
      },
    },
    async ({ principal, params, body }) => {
      await setNodePricing(services, principal, params.id, body);
      return { success: true as const };
    },
  );
  app.get(
    '/api/v2/nodes/:id/pricing',
    {
      config: { action: 'node-pricing.read' },
      schema: { tags, summary: 'At what price it is sold', params: IdParams, response: { 200: NodePricing } },
    },
    ({ principal, params }) => getNodePricing(services, principal, params.id),
  );
  app.delete(
    '/api/v2/nodes/:id/pricing',
    {
      config: { action: 'node-pricing.delete' },
      schema: { tags, summary: 'Sell it no more', params: IdParams, response: { 200: Done } },
    },
    async ({ principal, params }) => {
      await removeNodePricing(services, principal, params.id);
      return { success: true as const };
    },
  );
}
