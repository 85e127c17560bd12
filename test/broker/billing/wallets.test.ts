// Wallets over HTTP: money in and out, once each; who sees which; every movement in pages.
import { expect, test } from 'vitest';
import { verifyLedger } from '../../../src/broker/billing/ledger.ts';
import { newId } from '../../../src/broker/ids.ts';
import { newOrder, nodePricing, nodeSupply } from '../../fixtures/market.ts';
import { startWalletApi, type WalletApi } from './wallet-api.ts';

const credit = (api: WalletApi, amount: string, accountId: string, key?: string) =>
  api
    .as('admin')
    .post('/wallet/deposits', { amount, account_id: accountId }, key ? { 'idempotency-key': key } : undefined);

test('an admin credits an account, which spends and withdraws what is free', async () => {
  const api = await startWalletApi();
  const { accountId } = api.principals.consumer;
  const consumer = api.as('consumer');
  expect((await consumer.get('/wallet')).body).toEqual({
    account_id: accountId,
    currency: 'USD',
    available: '0.00',
    escrow: '0.00',
    total: '0.00',
  });
  const deposit = await api
    .as('admin')
    .post('/wallet/deposits', { amount: 10.5, account_id: accountId, reference: 'invoice 7' });
  expect(deposit).toMatchObject({
    status: 201,
    body: { account_id: accountId, amount: '10.50', reference: 'invoice 7', available: '10.50' },
  });
  const order = newOrder({ accountId, price: 1_000_000, quantity: 2, durationHours: 3 });
  await api.pipeline.submit({ command: { kind: 'place', order }, actor: null });
  expect((await consumer.get('/wallet')).body).toMatchObject({ available: '4.50', escrow: '6.00', total: '10.50' });
  const tooMuch = await consumer.post('/wallet/withdrawals', { amount: '4.500001' });
  expect(tooMuch).toMatchObject({ status: 402, body: { code: 'GPUB_INSUFFICIENT_FUNDS' } });
  expect(await consumer.post('/wallet/withdrawals', { amount: '4.5', reference: 'out' })).toMatchObject({
    status: 201,
    body: { amount: '4.50', available: '0.00' },
  });
  const { body: audit } = { body: await api.db.selectFrom('audit_log').select(['action', 'details']).execute() };
  expect(audit).toMatchObject([
    { action: 'wallet.deposit', details: { amount: '10.50', reference: 'invoice 7' } },
    { action: 'wallet.withdraw', details: { amount: '4.50' } },
  ]);
  expect((await verifyLedger(api.db)).sound).toBe(true);
});

test.each<[string | number, string]>([
  ['0', 'nothing'],
  ['-1', 'less than nothing'],
  ['1.0000001', 'a part of a micro-dollar'],
  [9_999_999_999, 'more than is exact'],
])('%s is no amount: %s', async (amount, _why) => {
  const api = await startWalletApi();
  const { status, body } = await api.as('admin').post('/wallet/deposits', { amount });
  expect(status).toBe(400);
  expect(body.code).toBe('GPUB_INVALID');
});

test('an account that is not there gets nothing', async () => {
  const api = await startWalletApi();
  expect(await credit(api, '1.00', newId())).toMatchObject({ status: 400, body: { field: 'body.account_id' } });
});

test('with a key money moves once, also when the journal has forgotten the key', async () => {
  const api = await startWalletApi();
  const { accountId } = api.principals.consumer;
  const first = await credit(api, '5.00', accountId, 'k');
  await credit(api, '1.00', accountId);
  expect(await credit(api, '5.00', accountId, 'k')).toEqual({ ...first, headers: expect.anything() });
  expect(await credit(api, '6.00', accountId, 'k')).toMatchObject({
    status: 409,
    body: { code: 'GPUB_IDEMPOTENCY_KEY_REUSED' },
  });
  const out = () => api.as('consumer').post('/wallet/withdrawals', { amount: '2' }, { 'idempotency-key': 'k' });
  const [one, two] = [await out(), await out()];
  expect(one.body).toEqual(two.body);
  await api.db.deleteFrom('market_journal').execute();
  expect((await credit(api, '5.00', accountId, 'k')).body).toMatchObject({ id: first.body.id, amount: '5.00' });
  expect((await api.as('consumer').get('/wallet')).body.available).toBe('4.00');
  expect(await api.db.selectFrom('audit_log').select('action').execute()).toHaveLength(3);
});

test('many at once with one key are one', async () => {
  const api = await startWalletApi();
  const { accountId } = api.principals.consumer;
  const replies = await Promise.all(Array.from({ length: 20 }, () => credit(api, '5.00', accountId, 'k')));
  expect(new Set(replies.map(({ status, body }) => `${status} ${body.id} ${body.available}`)).size).toBe(1);
  expect((await api.as('consumer').get('/wallet')).body.available).toBe('5.00');
});

test('others see neither balance nor movements; an admin sees those of all', async () => {
  const api = await startWalletApi();
  const { accountId } = api.principals.consumer;
  await credit(api, '5.00', accountId);
  for (const path of ['/wallet', '/wallet/transfers']) {
    expect((await api.as('developer').get(`${path}?account_id=${accountId}`)).status, path).toBe(404);
    expect((await api.as('admin').get(`${path}?account_id=${accountId.toUpperCase()}`)).status, path).toBe(200);
    expect((await api.as('admin').get(`${path}?account_id=${newId()}`)).status, path).toBe(404);
  }
  expect((await api.as('developer').get('/wallet/transfers')).body.items).toEqual([]);
});

test('every movement is listed as its account sees it, newest first, in pages', async () => {
  const api = await startWalletApi();
  const { consumer, provider } = api.principals;
  await credit(api, '100.00', consumer.accountId);
  const supply = nodeSupply({ accountId: provider.accountId, gpus: 2 });
  const submit = (command: Parameters<typeof api.pipeline.submit>[0]['command']) =>
    api.pipeline.submit({ command, actor: null });
  await submit({ kind: 'supply', node: supply });
  await submit({ kind: 'set-pricing', pricing: nodePricing(supply.nodeId, 1_000_000) });
  const order = newOrder({ accountId: consumer.accountId, quantity: 2, price: 3_000_000, durationHours: 2 });
  const { trades = [] } = await submit({ kind: 'place', order });
  await submit({ kind: 'settle', tradeId: trades[0]?.id ?? '', seconds: 1800 });
  await submit({ kind: 'end-hold', tradeId: trades[0]?.id ?? '', reason: 'over' });
  const seen = async (who: 'consumer' | 'provider', query = '') => {
    const { body } = await api.as(who).get(`/wallet/transfers${query}`);
    return body.items.map((item: Record<string, string>) =>
      [item.reason, item.available_change, item.escrow_change].join(' '),
    );
  };
  const all = [
    'release 6.00 -6.00',
    'capture 0.00 -2.00',
    // Of the order and its fill at once: what it holds in the end.
    'escrow -8.00 8.00',
    'deposit 100.00 0.00',
  ];
  expect(await seen('consumer')).toEqual(all);
  expect(await seen('provider')).toEqual(['capture 2.00 0.00']);
  expect(await seen('consumer', '?reason=capture')).toEqual(['capture 0.00 -2.00']);
  expect(await seen('consumer', `?to=${new Date(0).toISOString()}`)).toEqual([]);
  const paged: string[] = [];
  let next = '';
  do {
    const { body } = await api.as('consumer').get(`/wallet/transfers?limit=2${next}`);
    expect(body.items.length).toBeLessThanOrEqual(2);
    paged.push(...body.items.map(({ seq, position }: Record<string, number>) => `${seq} ${position}`));
    next = body.next_cursor === null ? '' : `&cursor=${body.next_cursor}`;
  } while (next !== '');
  expect(new Set(paged).size).toBe(all.length);
  expect((await api.as('consumer').get('/wallet')).body).toMatchObject({ available: '98.00', escrow: '0.00' });
  expect((await api.as('consumer').get('/wallet/transfers?cursor=WzEsMl0')).status).toBe(200);
  expect((await api.as('consumer').get('/wallet/transfers?cursor=WyJhIl0')).status).toBe(400);
});
