// Routes of wallets: the balance, money in and out, every movement; and the door for a payment system.
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { Done } from '../../../../api/fields.ts';
import { IdempotencyHeaders } from '../../../../api/orders.ts';
import {
  NewDeposit,
  NewWithdrawal,
  PaymentNotice,
  Wallet,
  WalletMovement,
  WalletQuery,
  WalletTransferPage,
  WalletTransferQuery,
} from '../../../../api/wallets.ts';
import { deposit, type MovementServices, withdraw } from '../../../billing/movements.ts';
import { checkPaymentSignature, takePayment } from '../../../billing/payments.ts';
import { listTransfers, readWallet } from '../../../billing/wallets.ts';
import { Refusal } from '../../../refusal.ts';
import type { ApiServer } from '../app.ts';
import { idempotencyKey } from '../idempotency-key.ts';

export interface WalletServices extends MovementServices {
  /** Secrets of the payment system; none where payments are not taken. */
  readonly paymentSecrets: readonly string[];
}

const tags = ['wallet'];

export function walletRoutes(app: ApiServer, services: WalletServices): void {
  const { db } = services;
  app.get(
    '/api/v2/wallet',
    {
      schema: { summary: 'What may be spent', tags, querystring: WalletQuery, response: { 200: Wallet } },
      config: { action: 'wallet.read' },
    },
    async ({ principal, query }) => readWallet(db, principal, query.account_id),
  );
  app.get(
    '/api/v2/wallet/transfers',
    {
      schema: {
        summary: 'Every movement of money, newest first',
        tags,
        querystring: WalletTransferQuery,
        response: { 200: WalletTransferPage },
      },
      config: { action: 'wallet.read' },
    },
    async ({ principal, query }) => listTransfers(db, principal, query),
  );
  app.post(
    '/api/v2/wallet/deposits',
    {
      schema: {
        summary: 'Credit money that came in elsewhere',
        tags,
        headers: IdempotencyHeaders,
        body: NewDeposit,
        response: { 201: WalletMovement },
      },
      config: { action: 'wallet.deposit' },
    },
    async (request, reply) =>
      reply.code(201).send(await deposit(services, request.principal, request.body, idempotencyKey(request))),
  );
  app.post(
    '/api/v2/wallet/withdrawals',
    {
      schema: {
        summary: 'Book money out of the free balance',
        tags,
        headers: IdempotencyHeaders,
        body: NewWithdrawal,
        response: { 201: WalletMovement },
      },
      config: { action: 'wallet.withdraw' },
    },
    async (request, reply) =>
      reply.code(201).send(await withdraw(services, request.principal, request.body, idempotencyKey(request))),
  );
  app.register(async (scope) => paymentRoute(scope as ApiServer, services));
}

const PaymentHeaders = Type.Object({
  'gpubroker-signature': Type.Optional(
    Type.String({
      maxLength: 500,
      description:
        't=<seconds since 1970>,v1=<hexadecimal HMAC-SHA256, under the shared secret, of that number, a dot and the body>.',
    }),
  ),
});

/** The signature covers bytes, so here the body is kept as it came. */
function paymentRoute(scope: ApiServer, services: WalletServices): void {
  const bodies = new WeakMap<FastifyRequest, Buffer>();
  const readJson = scope.getDefaultJsonParser('error', 'error');
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    bodies.set(request, body as Buffer);
    readJson(request, body.toString(), done);
  });
  scope.post(
    '/api/v2/wallet/payments',
    {
      schema: {
        summary: 'Take the signed notice of a payment system',
        tags,
        headers: PaymentHeaders,
        body: PaymentNotice,
        response: { 200: Done },
      },
      config: { action: 'public' },
      // Before the body is looked at: whoever cannot sign learns nothing.
      preValidation: async (request) => {
        const { paymentSecrets, now } = services;
        if (paymentSecrets.length === 0) throw noPayments();
        const header = request.headers['gpubroker-signature'];
        const body = bodies.get(request) ?? Buffer.alloc(0);
        checkPaymentSignature(paymentSecrets, typeof header === 'string' ? header : undefined, body, now());
      },
    },
    async ({ body }) => {
      await takePayment(services, body);
      return { success: true as const };
    },
  );
}

function noPayments(): Refusal {
  return new Refusal(
    'not-found',
    'GPUB_NOT_FOUND',
    'this broker takes no payments: it has no payment-webhook-secret-file; an admin credits money',
  );
}
