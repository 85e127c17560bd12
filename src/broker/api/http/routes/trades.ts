// The routes of trades, for their parties.
import { IdParams } from '../../../../api/fields.ts';
import {
  IdempotencyHeaders,
  Settlement,
  Trade,
  TradeEnd,
  TradeGpus,
  TradePage,
  TradeQuery,
} from '../../../../api/orders.ts';
import type { MarketContext } from '../../../market/orders.ts';
import { endTrade, getTrade, listTradeGpus, listTrades, settleTrade } from '../../../market/trades.ts';
import type { ApiServer } from '../app.ts';
import { idempotencyKey } from '../idempotency-key.ts';

const tags = ['trades'];

/** Registers them. */
export function tradeRoutes(app: ApiServer, services: MarketContext): void {
  app.get(
    '/api/v2/trades',
    {
      config: { action: 'trade.read' },
      schema: { tags, summary: 'Trades, newest first', querystring: TradeQuery, response: { 200: TradePage } },
    },
    ({ principal, query }) => listTrades(services, principal, query),
  );
  app.get(
    '/api/v2/trades/:id',
    {
      config: { action: 'trade.read' },
      schema: { tags, summary: 'One trade', params: IdParams, response: { 200: Trade } },
    },
    ({ principal, params }) => getTrade(services, principal, params.id),
  );
  app.get(
    '/api/v2/trades/:id/gpus',
    {
      config: { action: 'trade.read' },
      schema: {
        tags,
        summary: 'What is known of the GPUs that it holds: labels, scores, and when they were verified',
        params: IdParams,
        response: { 200: TradeGpus },
      },
    },
    ({ principal, params }) => listTradeGpus(services, principal, params.id),
  );
  app.post(
    '/api/v2/trades/:id/settle',
    {
      config: { action: 'trade.settle' },
      schema: {
        tags,
        summary: 'Pay the seller for the first seconds of it',
        headers: IdempotencyHeaders,
        params: IdParams,
        body: Settlement,
        response: { 200: Trade },
      },
    },
    (request) =>
      settleTrade(services, request.principal, request.params.id, request.body.seconds, idempotencyKey(request)),
  );
  app.post(
    '/api/v2/trades/:id/end',
    {
      config: { action: 'trade.end' },
      schema: {
        tags,
        summary: 'Give its GPUs back to the market, and the buyer what is not paid for',
        headers: IdempotencyHeaders,
        params: IdParams,
        body: TradeEnd,
        response: { 200: Trade },
      },
    },
    (request) => endTrade(services, request.principal, request.params.id, request.body.reason, idempotencyKey(request)),
  );
}
