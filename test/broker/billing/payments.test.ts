// Signed notices of payments: who gets through, and what is booked, once.
import { describe, expect, test } from 'vitest';
import { namedId } from '../../../src/broker/billing/named-id.ts';
import { checkPaymentSignature, paymentSecrets, signPayment } from '../../../src/broker/billing/payments.ts';
import { isId, newId } from '../../../src/broker/ids.ts';
import { startWalletApi, type WalletApi } from './wallet-api.ts';

const [secret, other] = ['a secret of 32 bytes or more ......', 'another secret of enough bytes'];
const now = new Date('2026-01-05T09:30:00.500Z');
const body = Buffer.from('{"payment_id":"pay-1","amount":"10.00"}');
const ago = (ms: number) => new Date(now.getTime() - ms);
const check = (header: string | undefined, bytes = body, secrets: readonly string[] = [secret]) =>
  checkPaymentSignature(secrets, header, bytes, now);

describe('a signature', () => {
  test('is as documented', () => {
    // printf '1767605400.{}' | openssl dgst -sha256 -hmac key
    expect(signPayment('key', Buffer.from('{}'), now)).toBe(
      't=1767605400,v1=850033b98cc78e7797955632bcef068826d78fc7d8d8992567663def1ad39b69',
    );
  });

  test.each([
    ['of now', signPayment(secret, body, now)],
    ['of a clock that is behind', signPayment(secret, body, ago(299_000))],
    ['of a clock that is ahead', signPayment(secret, body, ago(-299_000))],
  ])('%s is good', (_what, header) => {
    expect(() => check(header)).not.toThrow();
  });

  test('under any of the secrets is good, and one of several is enough', () => {
    expect(() => check(signPayment(other, body, now), body, [secret, other])).not.toThrow();
    const [time, good] = signPayment(secret, body, now).split(',');
    expect(() => check(`${time},v1=${'0'.repeat(64)},${good}`)).not.toThrow();
  });

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['something else', 'Bearer x'],
    ['one under another secret', signPayment(other, body, now)],
    ['one of another body', signPayment(secret, Buffer.from('{}'), now)],
    ['one of long ago', signPayment(secret, body, ago(301_000))],
    ['one of the future', signPayment(secret, body, ago(-301_000))],
    ['one whose time was changed', signPayment(secret, body, now).replace('t=17676054', 't=17676055')],
    ['one without its time', signPayment(secret, body, now).replace(/^t=\d+,/, '')],
    ['one that is cut short', signPayment(secret, body, now).slice(0, -1)],
    ['too many', `${signPayment(secret, body, now)}${`,v1=${'0'.repeat(64)}`.repeat(5)}`],
  ])('%s is refused', (_what, header) => {
    expect(() => check(header)).toThrow(
      expect.objectContaining({ kind: 'unauthenticated', code: 'GPUB_PAYMENT_SIGNATURE' }),
    );
  });
});

test('a file holds a secret a line; short ones and none are refused', () => {
  expect(paymentSecrets(`${secret}\r\n\n  ${other}\n`)).toEqual([secret, other]);
  for (const text of ['', '\n', 'short', `${secret}\nshort`]) {
    expect(() => paymentSecrets(text)).toThrow(/payment-webhook-secret-file/);
  }
});

test('the id of a name is a UUID, the same for the same name, and parts do not run together', () => {
  expect(namedId('a', 'b')).toBe(namedId('a', 'b'));
  expect(isId(namedId('a', 'b'))).toBe(true);
  expect(namedId('a', 'b')[14]).toBe('8');
  expect(new Set([namedId('a', 'b'), namedId('ab'), namedId('a', 'b', ''), namedId('a"', '"b')]).size).toBe(4);
});

describe('a notice', () => {
  const notice = (accountId: string, more = {}) =>
    JSON.stringify({ payment_id: 'pay-1', account_id: accountId, amount: '10.00', currency: 'USD', ...more });
  const send = async (api: WalletApi, payload: string, signature?: string) => {
    const headers = {
      'content-type': 'application/json',
      'gpubroker-signature': signature ?? signPayment(secret, Buffer.from(payload), now),
    };
    const reply = await api.app.inject({ method: 'POST', url: '/api/v2/wallet/payments', headers, payload });
    return { status: reply.statusCode, body: reply.json() };
  };
  const start = () => startWalletApi([secret], () => now);

  test('credits the account once, however often and however late it comes', async () => {
    const api = await start();
    const { accountId } = api.principals.consumer;
    const payload = notice(accountId);
    const replies = await Promise.all(Array.from({ length: 10 }, () => send(api, payload)));
    expect(new Set(replies.map(({ status, body: answer }) => `${status} ${answer.success}`))).toEqual(
      new Set(['200 true']),
    );
    await api.db.deleteFrom('market_journal').execute();
    expect((await send(api, payload)).status).toBe(200);
    const wallet = await api.as('consumer').get('/wallet');
    expect(wallet.body.available).toBe('10.00');
    const { body: transfers } = await api.as('consumer').get('/wallet/transfers');
    expect(transfers.items).toMatchObject([{ reason: 'deposit', reference: 'pay-1', id: expect.any(String) }]);
  });

  test('of the same payment with another amount is refused', async () => {
    const api = await start();
    const { accountId } = api.principals.consumer;
    await send(api, notice(accountId));
    const other = await send(api, notice(accountId, { amount: '11.00' }));
    expect(other).toMatchObject({ status: 409, body: { code: 'GPUB_IDEMPOTENCY_KEY_REUSED' } });
  });

  test('with a wrong signature is refused before anything of it is looked at', async () => {
    const api = await start();
    const expected = { status: 401, body: { code: 'GPUB_PAYMENT_SIGNATURE' } };
    expect(await send(api, notice(newId()), 'x')).toMatchObject(expected);
    expect(await send(api, '{"no":"payment"}', 'x')).toMatchObject(expected);
    // The same meaning in other bytes is not what was signed.
    const payload = notice(api.principals.consumer.accountId);
    const signature = signPayment(secret, Buffer.from(payload), now);
    expect(await send(api, `${payload} `, signature)).toMatchObject(expected);
  });

  test('that is signed and is no payment is refused by its fields', async () => {
    const api = await start();
    const { accountId } = api.principals.consumer;
    for (const [more, field] of [
      [{ currency: 'EUR' }, 'body.currency'],
      [{ amount: '0' }, 'body.amount'],
      [{ account_id: newId() }, 'body.account_id'],
      [{ more: 1 }, 'body.more'],
    ] as const) {
      expect(await send(api, notice(accountId, more)), field).toMatchObject({ status: 400, body: { field } });
    }
    expect((await send(api, '{"a":')).status).toBe(400);
    expect((await send(api, '{"__proto__":{"x":1}}')).status).toBe(400);
  });

  test('is not taken without a secret', async () => {
    const api = await startWalletApi([], () => now);
    expect((await send(api, notice(newId()))).status).toBe(404);
  });
});
