// The routes of orders.
import { Done, IdParams } from '../../../../api/fields.ts';
import { PageQuery } from '../../../../api/lists.ts';
import { Matched } from '../../../../api/market.ts';
import {
  IdempotencyHeaders,
  MatchTrigger,
  NewOrder,
  Order,
  OrderChange,
  OrderPage,
  OrderPreview,
  OrderQuery,
  OrderTrades,
} from '../../../../api/orders.ts';
import { matchOrders } from '../../../market/admin.ts';
import {
  amendOrder,
  cancelOrder,
  getOrder,
  listOrders,
  type MarketContext,
  placeOrder,
  previewOrder,
} from '../../../market/orders.ts';
import { listOrderTrades } from '../../../market/trades.ts';
import type { ApiServer } from '../app.ts';
import { idempotencyKey } from '../idempotency-key.ts';

const tags = ['orders'];

/** Registers them. */
export function orderRoutes(app: ApiServer, services: MarketContext): void {
  app.post(
    '/api/v2/orders',
    {
      config: { action: 'order.create' },
      schema: {
        tags,
        summary: 'Place an order; answered when it is durable, with what it has traded at once',
        headers: IdempotencyHeaders,
        body: NewOrder,
        response: { 201: Order },
      },
    },
    async (request, reply) =>
      reply.code(201).send(await placeOrder(services, request.principal, request.body, idempotencyKey(request))),
  );
  app.get(
    '/api/v2/orders',
    {
      config: { action: 'order.read' },
      schema: { tags, summary: 'Orders, newest first', querystring: OrderQuery, response: { 200: OrderPage } },
    },
    ({ principal, query }) => listOrders(services, principal, query),
  );
  app.post(
    '/api/v2/orders/preview',
    {
      config: { action: 'order.preview' },
      schema: {
        tags,
        summary: 'What an order would do at this moment, and at which price',
        body: NewOrder,
        response: { 200: OrderPreview },
      },
    },
    ({ principal, body }) => previewOrder(services, principal, body),
  );
  app.post(
    '/api/v2/orders/match',
    {
      config: { action: 'order.match' },
      schema: {
        tags,
        summary: 'Offer every resting order again',
        headers: IdempotencyHeaders,
        body: MatchTrigger,
        response: { 200: Matched },
      },
    },
    (request) => matchOrders(services, request.principal, request.body.gpu_type, idempotencyKey(request)),
  );
  oneOrderRoutes(app, services);
}

function oneOrderRoutes(app: ApiServer, services: MarketContext): void {
  app.get(
    '/api/v2/orders/:id',
    {
      config: { action: 'order.read' },
      schema: { tags, summary: 'One order', params: IdParams, response: { 200: Order } },
    },
    ({ principal, params }) => getOrder(services, principal, params.id),
  );
  app.patch(
    '/api/v2/orders/:id',
    {
      config: { action: 'order.update' },
      schema: {
        tags,
        summary: 'Change its quantity or price',
        headers: IdempotencyHeaders,
        params: IdParams,
        body: OrderChange,
        response: { 200: Order },
      },
    },
    (request) => amendOrder(services, request.principal, request.params.id, request.body, idempotencyKey(request)),
  );
  app.delete(
    '/api/v2/orders/:id',
    {
      config: { action: 'order.cancel' },
      schema: {
        tags,
        summary: 'Cancel what is open of it',
        headers: IdempotencyHeaders,
        params: IdParams,
        response: { 200: Done },
      },
    },
    async (request) => {
      await cancelOrder(services, request.principal, request.params.id, idempotencyKey(request));
      return { success: true as const };
    },
  );
  app.get(
    '/api/v2/orders/:id/trades',
    {
      config: { action: 'order.read' },
      schema: {
        tags,
        summary: 'Its trades, newest first',
        params: IdParams,
        querystring: PageQuery,
        response: { 200: OrderTrades },
      },
    },
    ({ principal, params, query }) => listOrderTrades(services, principal, params.id, query),
  );
}
