// The header Idempotency-Key: a caller's name for a request, with what was asked under it.
import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { IdempotencyKey } from '../../commit/contract.ts';

/** Of a request whose route has `IdempotencyHeaders` in its schema; undefined for one without a key. */
export function idempotencyKey(request: FastifyRequest): IdempotencyKey | undefined {
  const { headers, principal, method, url, body } = request;
  const key = headers['idempotency-key'];
  if (typeof key !== 'string') return undefined;
  const digest = createHash('sha256')
    .update(JSON.stringify([method, url, body ?? null]))
    .digest('hex');
  return { accountId: principal.accountId, key, digest };
}
