// Alert rules over HTTP: their secrets are never shown, their limits hold, and nobody sees those of others.
import { expect, test } from 'vitest';
import { createAlerting } from '../../../src/broker/alerts/alerting.ts';
import { alertRuleRoutes } from '../../../src/broker/api/http/routes/alert-rules.ts';
import { reportIncidents } from '../../../src/broker/incidents/incidents.ts';
import { startHttpReceiver } from '../../fixtures/alert-receivers.ts';
import { everywhere } from '../../fixtures/alerting.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { addSupply } from '../../fixtures/broker-supply.ts';

const secret = 'a secret of sixteen';
const channels = { smtp: undefined, destinations: everywhere, deadline: 2000 };
const startApi = () => startTestApi((app, services) => alertRuleRoutes(app, { ...services, alertChannels: channels }));
const bodyOf = (url = 'https://hooks.example.com/a?key=abc', more = {}) => ({
  name: 'nodes offline',
  condition: { type: 'incident', kinds: ['node-offline'] },
  channels: [{ type: 'webhook', url, secret }],
  ...more,
});

test('a rule is made with defaults, changed, and deleted; secrets stay inside', async () => {
  const api = await startApi();
  const provider = api.as('provider');
  const slack = { type: 'slack', url: 'https://hooks.slack.com/services/T/B/secret' };
  const made = await provider.post('/alert-rules', bodyOf(undefined, { channels: [...bodyOf().channels, slack] }));
  expect(made).toMatchObject({
    status: 201,
    body: {
      account_id: api.principals.provider.accountId,
      channels: [
        { type: 'webhook', url: 'https://hooks.example.com/a?…' },
        { type: 'slack', url: 'https://hooks.slack.com/…' },
      ],
      group_by: 'rule',
      group_wait_s: 10,
      repeat_interval_s: 3600,
      max_notices_per_hour: 20,
      enabled: true,
      muted_until: null,
    },
  });
  const { id } = made.body;
  const [webhook] = made.body.channels;
  const changed = await provider.patch(`/alert-rules/${id}`, {
    name: 'renamed',
    muted_until: '2030-01-01T00:00:00Z',
    channels: [{ id: webhook.id, type: 'webhook', url: 'https://hooks.example.com/b' }],
  });
  expect(changed.body).toMatchObject({
    name: 'renamed',
    muted_until: '2030-01-01T00:00:00.000Z',
    channels: [{ id: webhook.id, url: 'https://hooks.example.com/b' }],
    repeat_interval_s: 3600,
  });
  expect((await provider.get(`/alert-rules/${id}`)).body).toEqual(changed.body);
  expect((await provider.get('/alert-rules')).body.items).toEqual([changed.body]);
  const row = await api.db.selectFrom('alert_rules').select('channels').executeTakeFirstOrThrow();
  expect(row.channels).toMatchObject([{ secret }]);
  const audit = await api.db.selectFrom('audit_log').select(['action', 'details']).execute();
  expect(audit.map(({ action }) => action)).toEqual(['alert-rule.create', 'alert-rule.update']);
  const shown = JSON.stringify([made.body, changed.body, audit]);
  expect(shown).not.toContain(secret);
  expect(shown).not.toContain('/services/');
  expect(await provider.delete(`/alert-rules/${id}`)).toMatchObject({ status: 200, body: { success: true } });
  expect((await provider.get(`/alert-rules/${id}`)).status).toBe(404);
});

test('what does not fit is refused with its place', async () => {
  const api = await startApi();
  const provider = api.as('provider');
  const refused = async (body: object) => {
    const { status, body: problem } = await provider.post('/alert-rules', body);
    return [status, problem.code, problem.field];
  };
  const channelsOf = (channel: object) => ({ channels: [channel] });
  const count = { type: 'threshold', metric: 'nodes_offline', comparison: 'above', value: 3 };
  expect(await refused(bodyOf(undefined, { condition: count, group_by: 'gpu' }))).toEqual([
    400,
    'GPUB_INVALID',
    'body.group_by',
  ]);
  expect(await refused(bodyOf(undefined, channelsOf({ type: 'webhook', url: 'https://e.com' })))).toEqual([
    400,
    'GPUB_INVALID',
    'body.channels[0].secret',
  ]);
  expect(await refused(bodyOf(undefined, channelsOf({ type: 'slack' })))).toEqual([
    400,
    'GPUB_INVALID',
    'body.channels[0].url',
  ]);
  expect(await refused(bodyOf('https://me:you@example.com'))).toEqual([400, 'GPUB_INVALID', 'body.channels[0].url']);
  expect(await refused(bodyOf(undefined, channelsOf({ type: 'email', to: ['a@example.test'] })))).toEqual([
    409,
    'GPUB_NO_MAIL_SERVER',
    'body.channels[0]',
  ]);
  expect(await refused(bodyOf(undefined, { scope: 'everybody' }))).toEqual([403, 'GPUB_FORBIDDEN', 'body.scope']);
  expect((await refused(bodyOf(undefined, { channels: [] })))[0]).toBe(400);
  expect((await refused(bodyOf(undefined, { channels: Array(6).fill(bodyOf().channels[0]) })))[0]).toBe(400);
  expect((await refused(bodyOf(undefined, { unknown: 1 })))[0]).toBe(400);
  const everybody = await api.as('admin').post('/alert-rules', bodyOf(undefined, { scope: 'everybody' }));
  expect(everybody.body).toMatchObject({ account_id: null });
});

test('an account has a hundred rules at most, also when several are made at once', async () => {
  const api = await startApi();
  const { accountId } = api.principals.provider;
  const first = await api.as('provider').post('/alert-rules', bodyOf());
  const row = await api.db
    .selectFrom('alert_rules')
    .selectAll()
    .where('id', '=', first.body.id)
    .executeTakeFirstOrThrow();
  const copies = Array.from({ length: 98 }, () => ({
    ...row,
    id: crypto.randomUUID(),
    account_id: accountId,
    condition: JSON.stringify(row.condition),
    channels: JSON.stringify(row.channels),
  }));
  await api.db.insertInto('alert_rules').values(copies).execute();
  const both = await Promise.all([1, 2].map(() => api.as('provider').post('/alert-rules', bodyOf())));
  expect(both.map(({ status, body }) => body.code ?? status).sort()).toEqual([201, 'GPUB_TOO_MANY_RULES']);
});

test('a test notice goes through every channel, and says of each what became of it', async () => {
  const receiver = await startHttpReceiver();
  const api = await startApi();
  const provider = api.as('provider');
  const dead = { type: 'slack', url: 'http://127.0.0.1:1/services/secret' };
  const made = await provider.post(
    '/alert-rules',
    bodyOf(receiver.url, { channels: [...bodyOf(receiver.url).channels, dead] }),
  );
  const { body } = await provider.post(`/alert-rules/${made.body.id}/test`);
  expect(body.outcomes).toMatchObject([
    { type: 'webhook', outcome: 'sent', error: null },
    { type: 'slack', outcome: 'failed', error: expect.stringContaining('ECONNREFUSED') },
  ]);
  expect(JSON.parse(receiver.received[0]?.body ?? '{}')).toMatchObject({ kind: 'test' });
  expect(JSON.stringify(body)).not.toContain('/services/');
});

test('alerts are shown with their deliveries, to those whose they are', async () => {
  const receiver = await startHttpReceiver();
  const api = await startApi();
  const provider = api.as('provider');
  const { providerId, nodeIds } = await addSupply(api.db, { accountId: api.principals.provider.accountId });
  const { body: rule } = await provider.post('/alert-rules', bodyOf(receiver.url, { group_wait_s: 0 }));
  const { db, registry } = api;
  const log = api.app.log as Parameters<typeof createAlerting>[0]['log'];
  const alerting = createAlerting({
    database: db,
    now: () => new Date(),
    random: Math.random,
    log,
    registry,
    destinations: everywhere,
    interval: 20,
  });
  const report = { kind: 'node-offline', severity: 'critical' as const, title: 'a node', providerId };
  await db
    .transaction()
    .execute((trx) => reportIncidents(trx, new Date(), [{ ...report, subject: `node:${nodeIds[0]}` }]));
  alerting.start();
  await expect.poll(() => receiver.received.length, { timeout: 10_000 }).toBe(1);
  await alerting.stop();
  const { items } = (await provider.get(`/alerts?status=firing&severity=critical&rule_id=${rule.id}`)).body;
  expect(items).toMatchObject([{ rule_id: rule.id, rule_name: 'nodes offline', subject_count: 1, group: 'rule' }]);
  const alert = (await provider.get(`/alerts/${items[0].id}`)).body;
  expect(alert).toMatchObject({
    status: 'firing',
    deliveries: [{ kind: 'firing', channel_type: 'webhook', status: 'sent', attempts: 1, next_attempt_at: null }],
  });
  expect(Object.keys(alert.deliveries[0])).not.toContain('payload');

  const stranger = api.as(await api.addPrincipal('provider'));
  expect((await stranger.get('/alerts')).body.items).toEqual([]);
  expect((await stranger.get('/alert-rules')).body.items).toEqual([]);
  expect((await stranger.get(`/alerts/${items[0].id}`)).status).toBe(404);
  expect((await stranger.get(`/alert-rules/${rule.id}`)).status).toBe(404);
  expect((await stranger.patch(`/alert-rules/${rule.id}`, { name: 'mine' })).status).toBe(404);
  expect((await stranger.post(`/alert-rules/${rule.id}/test`)).status).toBe(404);
  expect((await stranger.delete(`/alert-rules/${rule.id}`)).status).toBe(404);
  expect((await api.as('consumer').post('/alert-rules', bodyOf())).status).toBe(403);
  expect((await api.as('admin').get(`/alert-rules/${rule.id}`)).status).toBe(200);
});
