// The route of spot auctions.
import { AuctionPage, AuctionQuery } from '../../../../api/market.ts';
import { listAuctions } from '../../../market/auctions.ts';
import type { MarketContext } from '../../../market/orders.ts';
import type { ApiServer } from '../app.ts';

/** Registers it. */
export function auctionRoutes(app: ApiServer, services: MarketContext): void {
  app.get(
    '/api/v2/auctions',
    {
      config: { action: 'market.read' },
      schema: {
        tags: ['market'],
        summary: 'Spot auctions: those to come with their indicative prices, and past ones, newest first',
        querystring: AuctionQuery,
        response: { 200: AuctionPage },
      },
    },
    ({ query }) => listAuctions(services, query),
  );
}
