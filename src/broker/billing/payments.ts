// Payments that a payment system reports: signed, fresh, and booked once each.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { PaymentNotice } from '../../api/wallets.ts';
import { optionConflict } from '../../daemon/errors.ts';
import { Refusal } from '../refusal.ts';
import { amountOf, book, type MovementServices, requireAccount } from './movements.ts';
import { namedId } from './named-id.ts';

/** Milliseconds that the clock of the payment system may differ from ours, the message's way included. */
export const paymentWindow = 300_000;
/** Bytes; a shorter secret could be guessed. */
const shortestSecret = 16;
/** Whose names of requests these are: of nobody who signs in. */
const nobody = '00000000-0000-0000-0000-000000000000';

/**
 * The secrets in the text of a file, a line each: while one is replaced, both are good.
 * @throws CodedError for a file without one, or with one that is too short
 */
export function paymentSecrets(text: string): readonly string[] {
  const secrets = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (secrets.length === 0 || secrets.some((secret) => Buffer.byteLength(secret) < shortestSecret)) {
    throw optionConflict(
      'payment-webhook-secret-file holds no secret, or one that is too short',
      `give a file with a secret of at least ${shortestSecret} bytes a line`,
    );
  }
  return secrets;
}

/** What a sender puts into the header `gpubroker-signature`: `t=<seconds since 1970>,v1=<hex>`. */
export function signPayment(secret: string, body: Buffer, at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000);
  return `t=${seconds},v1=${macOf(secret, seconds, body).toString('hex')}`;
}

function macOf(secret: string, seconds: number, body: Buffer): Buffer {
  return createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
}

/**
 * Lets a message pass whose signature one of the secrets makes, and whose time is near.
 * @param body the bytes as they came
 * @throws Refusal `GPUB_PAYMENT_SIGNATURE` (unauthenticated), the same whatever is wrong
 */
export function checkPaymentSignature(
  secrets: readonly string[],
  header: string | undefined,
  body: Buffer,
  now: Date,
): void {
  const [, time = '', rest = ''] = /^t=(\d{1,12})((?:,v1=[0-9a-f]{64}){1,5})$/.exec(header ?? '') ?? [];
  const seconds = Number(time);
  const given = rest.split(',v1=').slice(1);
  const isFresh = time !== '' && Math.abs(now.getTime() - seconds * 1000) <= paymentWindow;
  // All are compared, so that the time taken does not tell which secret or signature came near.
  const matches = secrets.flatMap((secret) => {
    const expected = macOf(secret, seconds, body);
    return given.map((hex) => timingSafeEqual(expected, Buffer.from(hex, 'hex')));
  });
  if (isFresh && matches.includes(true)) return;
  throw new Refusal(
    'unauthenticated',
    'GPUB_PAYMENT_SIGNATURE',
    'the header gpubroker-signature does not fit this message, or its time is more than 5 minutes away from now',
  );
}

/**
 * Books a payment whose signature was checked; a second notice of the same payment changes nothing.
 * @throws Refusal body.account_id, body.amount; `GPUB_IDEMPOTENCY_KEY_REUSED` where the payment was another one
 */
export async function takePayment(services: MovementServices, notice: PaymentNotice): Promise<void> {
  const { payment_id } = notice;
  const accountId = notice.account_id.toLowerCase();
  const amount = amountOf(notice.amount);
  await requireAccount(services.db, accountId);
  const id = namedId('payment', payment_id);
  const digest = createHash('sha256')
    .update(JSON.stringify([payment_id, accountId, amount]))
    .digest('hex');
  const movement = { kind: 'deposit', id, accountId, amount, reference: payment_id } as const;
  await book(services, movement, null, { accountId: nobody, key: `payment/${payment_id}`, digest });
}
