// All routes of orders and the market; here those of the market as everybody sees it, and of who runs it.
import { Done } from '../../../../api/fields.ts';
import {
  Depth,
  DepthQuery,
  Halt,
  Killed,
  KillSwitch,
  KillSwitchRelease,
  MarketStatus,
  MarketStreamQuery,
  Resume,
  Tape,
  TapeQuery,
} from '../../../../api/market.ts';
import { IdempotencyHeaders } from '../../../../api/orders.ts';
import { haltMarket, killOrders, marketStatus, releaseKillSwitch, resumeMarket } from '../../../market/admin.ts';
import { readDepth } from '../../../market/depth.ts';
import type { MarketContext } from '../../../market/orders.ts';
import type { MarketStream } from '../../../market/stream.ts';
import { listTape } from '../../../market/tape.ts';
import type { ApiServer } from '../app.ts';
import { lastEventId, openEventStream, stillMay, wantsStream } from '../event-stream.ts';
import { idempotencyKey } from '../idempotency-key.ts';
import type { ApiServices } from '../routes.ts';
import { auctionRoutes } from './auctions.ts';
import { orderRoutes } from './orders.ts';
import { tradeRoutes } from './trades.ts';

/** What they work with. */
export interface MarketServices extends MarketContext, ApiServices {
  readonly marketStream: MarketStream;
}

const tags = ['market'];

/** Registers them; the streams end with the server. */
export function marketRoutes(app: ApiServer, services: MarketServices): void {
  orderRoutes(app, services);
  tradeRoutes(app, services);
  publicRoutes(app, services);
  streamRoute(app, services);
  auctionRoutes(app, services);
  haltRoutes(app, services);
  killSwitchRoutes(app, services);
}

function publicRoutes(app: ApiServer, services: MarketServices): void {
  app.get(
    '/api/v2/market/depth',
    {
      config: { action: 'market.read' },
      schema: {
        tags,
        summary: 'The book of a product: prices with what rests there',
        querystring: DepthQuery,
        response: { 200: Depth },
      },
    },
    ({ query }) => readDepth(services, query),
  );
  app.get(
    '/api/v2/market/trades',
    {
      config: { action: 'market.read' },
      schema: {
        tags,
        summary: 'The tape of a product: its trades without names, newest first',
        querystring: TapeQuery,
        response: { 200: Tape },
      },
    },
    ({ query }) => listTape(services, query),
  );
}

function streamRoute(app: ApiServer, services: MarketServices): void {
  const { names, marketStream, identity } = services;
  app.get(
    '/api/v2/market/stream',
    {
      config: { action: 'market.read' },
      schema: {
        tags,
        summary: 'The book of a product, or with Accept: text/event-stream its book and tape, live',
        querystring: MarketStreamQuery,
        response: { 200: Depth },
      },
    },
    async (request, reply) => {
      const { principal, query } = request;
      if (!wantsStream(request)) return readDepth(services, query);
      const { gpu_type, levels = 20 } = query;
      const after = lastEventId(request);
      const product = await names.resolve(gpu_type, 'query.gpu_type');
      marketStream.admit(principal.accountId);
      const mayListen = stillMay(identity, request, 'market.read');
      const { accountId } = principal;
      void marketStream.serve(openEventStream(reply), { accountId, product, levels, after, mayListen });
      return reply;
    },
  );
  app.addHook('preClose', async () => marketStream.stop());
}

function haltRoutes(app: ApiServer, services: MarketServices): void {
  const config = { action: 'market.operate' } as const;
  app.get(
    '/api/v2/market/status',
    {
      config,
      schema: { tags, summary: 'How the market stands: halts and kill switches', response: { 200: MarketStatus } },
    },
    () => marketStatus(services),
  );
  app.post(
    '/api/v2/market/halt',
    {
      config,
      schema: {
        tags,
        summary: 'Halt a product, or all: no orders, no matching; cancelling stays possible',
        headers: IdempotencyHeaders,
        body: Halt,
        response: { 200: Done },
      },
    },
    async (request) => {
      const { gpu_type, reason } = request.body;
      await haltMarket(services, request.principal, gpu_type, reason, idempotencyKey(request));
      return { success: true as const };
    },
  );
  app.post(
    '/api/v2/market/resume',
    {
      config,
      schema: {
        tags,
        summary: 'Let a product, or all, trade again; what suits each other is matched',
        headers: IdempotencyHeaders,
        body: Resume,
        response: { 200: Done },
      },
    },
    async (request) => {
      await resumeMarket(services, request.principal, request.body.gpu_type, idempotencyKey(request));
      return { success: true as const };
    },
  );
}

function killSwitchRoutes(app: ApiServer, services: MarketServices): void {
  const config = { action: 'market.operate' } as const;
  app.post(
    '/api/v2/market/kill-switch',
    {
      config,
      schema: {
        tags,
        summary: 'Cancel the orders of an account, or of everybody, and take no more of them',
        headers: IdempotencyHeaders,
        body: KillSwitch,
        response: { 200: Killed },
      },
    },
    (request) => killOrders(services, request.principal, request.body, idempotencyKey(request)),
  );
  app.post(
    '/api/v2/market/kill-switch/release',
    {
      config,
      schema: {
        tags,
        summary: 'Take orders of the account, or of everybody, again',
        headers: IdempotencyHeaders,
        body: KillSwitchRelease,
        response: { 200: Done },
      },
    },
    async (request) => {
      await releaseKillSwitch(services, request.principal, request.body.account_id, idempotencyKey(request));
      return { success: true as const };
    },
  );
}
