// Notices arrive at real receivers: a webhook with its signature, Slack, and a mail server that wants a password.
import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { startHttpReceiver, startMailReceiver } from '../../fixtures/alert-receivers.ts';
import { startFiringAlert, startTestAlerting, webhookSecret } from '../../fixtures/alerting.ts';

test('a webhook gets the notice, signed with the secret that both know', async () => {
  const receiver = await startHttpReceiver();
  const { pass, supply, now, registry, db } = await startFiringAlert(`${receiver.url}/hook`);
  await pass(10);
  const [{ path, headers, body } = { path: '', headers: {}, body: '' }, ...more] = receiver.received;
  expect([path, more]).toEqual(['/hook', []]);
  const timestamp = headers['x-gpubroker-timestamp'];
  expect(timestamp).toBe(String(now().getTime() / 1000));
  const signature = createHmac('sha256', webhookSecret).update(`${timestamp}.${body}`).digest('hex');
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
