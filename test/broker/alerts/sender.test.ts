// The sender goes nowhere private, loses nothing when it dies, and shares its work with others.
import { expect, test } from 'vitest';
import { startHttpReceiver } from '../../fixtures/alert-receivers.ts';
import { startFiringAlert, startTestAlerting, webhookTo } from '../../fixtures/alerting.ts';

test('what leads to a private address is not sent', async () => {
  const receiver = await startHttpReceiver();
  const destinations = { insecure: true, private: false };
  const byName = await startFiringAlert(receiver.url.replace('127.0.0.1', 'localhost'), { destinations });
  await byName.pass(10);
  expect(await byName.deliveries()).toMatchObject([
    { status: 'waiting', last_error: 'localhost does not lead to a public address' },
  ]);
  const byAddress = await startFiringAlert(receiver.url, { destinations });
  await byAddress.pass(10);
  expect(await byAddress.deliveries()).toMatchObject([{ last_error: expect.stringContaining('public address') }]);
  expect(receiver.received).toEqual([]);
});

test('a sender that dies loses nothing: another one sends it again', async () => {
  const receiver = await startHttpReceiver();
  const { alerting, make, now, pass, deliveries, db } = await startFiringAlert(receiver.url);
  await alerting.stop();
  await pass(10);
  // As a sender leaves it that dies between taking and sending.
  const taken = { attempts: 1, next_attempt_at: new Date(now().getTime() + 60_000) };
  await db.updateTable('alert_deliveries').set(taken).execute();
  const other = make();
  await other.send(new Date(now().getTime() + 59_000));
  expect(receiver.received).toEqual([]);
  await other.send(new Date(now().getTime() + 60_000));
  expect(await deliveries()).toMatchObject([{ status: 'sent', attempts: 2 }]);
});

test('several senders at once send everything once', async () => {
  const receiver = await startHttpReceiver();
  const { addRule, offline, supply, pass, alerting, make, now } = await startTestAlerting({ nodes: 20 });
  await addRule({ channels: [webhookTo(receiver.url)], groupBy: 'node' });
  await offline(supply.nodeIds);
  await alerting.stop();
  await pass(0);
  await pass(10);
  await Promise.all([make().send(now()), make().send(now()), make().send(now())]);
  const ids = receiver.received.map(({ headers }) => headers['x-gpubroker-delivery']);
  expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
});
