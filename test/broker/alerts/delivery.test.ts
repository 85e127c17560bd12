// Notices arrive at real receivers, signed and once; what does not arrive is tried again, and nothing is lost.
import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { startHttpReceiver, startMailReceiver } from '../../fixtures/alert-receivers.ts';
import { startTestAlerting } from '../../fixtures/alerting.ts';

const secret = 'a secret of the receiver';
const webhook = (url: string) => ({ id: newId(), type: 'webhook' as const, url, secret });

/** With an alert that fires; `pass` then sends it. */
async function alertingWith(url: string, options: Parameters<typeof startTestAlerting>[0] = {}) {
  const world = await startTestAlerting(options);
  await world.addRule({ channels: [webhook(url)] });
  await world.offline(world.supply.nodeIds);
  await world.pass(0);
  return world;
}

test('a webhook gets the notice, signed with the secret that both know', async () => {
  const receiver = await startHttpReceiver();
  const { pass, supply, now, registry, db } = await alertingWith(`${receiver.url}/hook`);
  await pass(10);
  const [{ path, headers, body } = { path: '', headers: {}, body: '' }, ...more] = receiver.received;
  expect([path, more]).toEqual(['/hook', []]);
  const timestamp = headers['x-gpubroker-timestamp'];
  expect(timestamp).toBe(String(now().getTime() / 1000));
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  expect(headers['x-gpubroker-signature']).toBe(`v1=${signature}`);
  expect(JSON.parse(body)).toMatchObject({
    kind: 'firing',
    rule: { name: 'nodes <offline>' },
    alert: { severity: 'critical', subject_count: 2, group: 'rule' },
    summary: expect.stringContaining('and 1 more'),
  });
  expect(body).toContain(`node:${supply.nodeIds[0]}`);
  expect(await registry.metrics()).toMatch(/deliveries_total\{channel="webhook",outcome="sent"\} 1/);
  expect(await registry.metrics()).toMatch(/gpubroker_incidents_open\{severity="critical"\} 2/);
  expect(await registry.metrics()).toMatch(/gpubroker_alerts_firing 1/);
  await db.updateTable('incidents').set({ status: 'closed', closed_at: now() }).execute();
  await pass(1);
  await pass(60);
  await pass(60);
  expect(receiver.received.map((one) => JSON.parse(one.body).kind)).toEqual(['firing', 'resolved']);
});

test('Slack gets a text and blocks, in which nobody is mentioned', async () => {
  const receiver = await startHttpReceiver();
  const { addRule, offline, pass, supply } = await startTestAlerting();
  await addRule({ channels: [{ id: newId(), type: 'slack', url: `${receiver.url}/services/T0/B0/x` }] });
  await offline(supply.nodeIds);
  await pass(0);
  await pass(10);
  const message = JSON.parse(receiver.received[0]?.body ?? '{}');
  expect(Object.keys(message)).toEqual(['text', 'blocks']);
  expect(message.text).toContain('[firing, critical] nodes &lt;offline&gt;:');
  expect(message.blocks).toMatchObject([
    { type: 'header', text: { type: 'plain_text' } },
    { type: 'section', text: { type: 'mrkdwn', text: expect.stringContaining(`node:${supply.nodeIds[1]}`) } },
    { type: 'context', elements: [{ type: 'mrkdwn', text: expect.not.stringContaining('<') }] },
  ]);
});

test('a mail server that wants a password gets a mail', async () => {
  const { mails, port } = await startMailReceiver('broker', 'pass word');
  const smtp = { url: `smtp://broker:pass%20word@127.0.0.1:${port}`, from: 'gpubroker@example.test' };
  const { addRule, offline, pass, supply } = await startTestAlerting({ smtp });
  await addRule({ channels: [{ id: newId(), type: 'email', to: ['a@example.test', 'b@example.test'] }] });
  await offline(supply.nodeIds);
  await pass(0);
  await pass(10);
  expect(mails).toMatchObject([
    { from: 'gpubroker@example.test', to: ['a@example.test', 'b@example.test'], user: 'broker' },
  ]);
  expect(mails[0]?.text).toMatch(/^Subject: \[firing, critical\] nodes <offline>/m);
});

test('a wrong password is told without the password', async () => {
  const { port } = await startMailReceiver('broker', 'right');
  const smtp = { url: `smtp://broker:wrong-one@127.0.0.1:${port}`, from: 'gpubroker@example.test' };
  const { addRule, offline, pass, supply, deliveries } = await startTestAlerting({ smtp });
  await addRule({ channels: [{ id: newId(), type: 'email', to: ['a@example.test'] }] });
  await offline(supply.nodeIds);
  await pass(0);
  await pass(10);
  const [delivery] = await deliveries();
  expect(delivery).toMatchObject({ status: 'waiting', attempts: 1 });
  expect(delivery?.last_error).toContain('wrong password');
  expect(delivery?.last_error).not.toContain('wrong-one');
});

test('a receiver that is down gets it when it is up again, under the same id', async () => {
  const receiver = await startHttpReceiver();
  const { pass, deliveries } = await alertingWith(receiver.url);
  receiver.answer = (response) => response.writeHead(500).end('broken');
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', attempts: 1, last_error: 'answered 500' }]);
  await pass(2);
  expect(receiver.received).toHaveLength(1);
  receiver.answer = (response) => void response.destroy();
  await pass(3);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', attempts: 2 }]);
  receiver.answer = (response) => response.end();
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'sent', attempts: 3, last_error: null }]);
  const ids = receiver.received.map(({ headers }) => headers['x-gpubroker-delivery']);
  expect(new Set(ids).size).toBe(1);
});

test('it is given up after twelve hours, and at once where the receiver is gone for good', async () => {
  const receiver = await startHttpReceiver();
  receiver.answer = (response) => response.writeHead(503).end();
  const { pass, alerting, now, deliveries } = await alertingWith(receiver.url);
  await pass(10);
  let [first] = await deliveries();
  for (let at = now(); first?.status === 'waiting'; [first] = await deliveries()) {
    at = first.next_attempt_at;
    await alerting.send(at);
  }
  expect(first?.status).toBe('given-up');
  // Waits between half of ten minutes and all of it, for twelve hours.
  expect(first?.attempts).toBeGreaterThan(72);
  expect(first?.attempts).toBeLessThan(160);
  const gone = await alertingWith(receiver.url);
  receiver.answer = (response) => response.writeHead(410).end();
  await gone.pass(10);
  expect(await gone.deliveries()).toMatchObject([{ status: 'given-up', attempts: 1 }]);
});

test('a receiver that does not answer is left after the deadline', async () => {
  const receiver = await startHttpReceiver();
  receiver.answer = () => {};
  const { pass, deliveries } = await alertingWith(receiver.url, { deadline: 200 });
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', last_error: 'no answer within 0.2 s' }]);
});

test('redirects are not followed, and endless answers not read', async () => {
  const elsewhere = await startHttpReceiver();
  const receiver = await startHttpReceiver();
  const { pass, deliveries } = await alertingWith(receiver.url);
  receiver.answer = (response) => response.writeHead(307, { location: elsewhere.url }).end();
  await pass(10);
  expect(await deliveries()).toMatchObject([{ last_error: expect.stringContaining('redirects are not followed') }]);
  expect(elsewhere.received).toEqual([]);
  receiver.answer = (response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', more);
    more();
  };
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'sent' }]);
});

test('what leads to a private address is not sent', async () => {
  const receiver = await startHttpReceiver();
  const destinations = { insecure: true, private: false };
  const byName = await alertingWith(receiver.url.replace('127.0.0.1', 'localhost'), { destinations });
  await byName.pass(10);
  expect(await byName.deliveries()).toMatchObject([
    { status: 'waiting', last_error: 'localhost does not lead to a public address' },
  ]);
  const byAddress = await alertingWith(receiver.url, { destinations });
  await byAddress.pass(10);
  expect(await byAddress.deliveries()).toMatchObject([{ last_error: expect.stringContaining('public address') }]);
  expect(receiver.received).toEqual([]);
});

test('a sender that dies loses nothing: another one sends it again', async () => {
  const receiver = await startHttpReceiver();
  const { alerting, make, now, pass, deliveries, db } = await alertingWith(receiver.url);
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
  await addRule({ channels: [webhook(receiver.url)], groupBy: 'node' });
  await offline(supply.nodeIds);
  await alerting.stop();
  await pass(0);
  await pass(10);
  await Promise.all([make().send(now()), make().send(now()), make().send(now())]);
  const ids = receiver.received.map(({ headers }) => headers['x-gpubroker-delivery']);
  expect([ids.length, new Set(ids).size]).toEqual([20, 20]);
});
