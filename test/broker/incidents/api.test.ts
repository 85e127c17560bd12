// Incidents over HTTP: lists with filters, acknowledged and closed by people, and only by those whose they are.
import { expect, test } from 'vitest';
import { incidentRoutes } from '../../../src/broker/api/http/routes/incidents.ts';
import { reportIncidents } from '../../../src/broker/incidents/incidents.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { addSupply } from '../../fixtures/broker-supply.ts';

const start = new Date('2026-01-05T09:00:00Z');

async function apiWithIncidents() {
  let clock = start;
  const api = await startTestApi(incidentRoutes, { now: () => clock });
  const supply = await addSupply(api.db, { accountId: api.principals.provider.accountId, nodes: 3 });
  const { providerId, clusterId, nodeIds } = supply;
  const reports = nodeIds.map((nodeId, place) => ({
    kind: place === 0 ? 'clock-skew' : 'node-offline',
    severity: place === 0 ? ('warning' as const) : ('critical' as const),
    subject: `node:${nodeId}`,
    title: `node ${place}`,
    providerId,
    clusterId,
    nodeId,
  }));
  await api.db.transaction().execute((trx) => reportIncidents(trx, start, reports));
  return {
    api,
    supply,
    provider: api.as('provider'),
    wait: (seconds: number) => {
      clock = new Date(clock.getTime() + seconds * 1000);
    },
  };
}

test('lists with filters and pages', async () => {
  const { provider, supply } = await apiWithIncidents();
  const kinds = async (query: string) =>
    (await provider.get(`/incidents?${query}`)).body.items.map(({ kind }: { kind: string }) => kind).sort();
  expect(await kinds('')).toEqual(['clock-skew', 'node-offline', 'node-offline']);
  expect(await kinds('severity=warning')).toEqual(['clock-skew']);
  expect(await kinds(`node_id=${supply.nodeIds[1]}&status=open`)).toEqual(['node-offline']);
  expect(await kinds(`kind=node-offline&cluster_id=${supply.clusterId}`)).toHaveLength(2);
  expect(await kinds('status=closed')).toEqual([]);
  expect(await kinds('from=2026-01-05T09:00:01Z')).toEqual([]);
  const first = await provider.get('/incidents?limit=2');
  const second = await provider.get(`/incidents?limit=2&cursor=${first.body.next_cursor}`);
  expect([first.body.items.length, second.body.items.length, second.body.next_cursor]).toEqual([2, 1, null]);
  expect((await provider.get('/incidents?severity=huge')).body).toMatchObject({
    code: 'GPUB_INVALID',
    field: 'query.severity',
  });
});

test('is acknowledged once, then closed once, and says how long both took', async () => {
  const { api, provider, wait } = await apiWithIncidents();
  const { id } = (await provider.get('/incidents?kind=clock-skew')).body.items[0];
  wait(60);
  const acknowledged = await provider.post(`/incidents/${id}/acknowledge`);
  expect(acknowledged).toMatchObject({
    status: 200,
    body: { status: 'acknowledged', acknowledged_by: api.principals.provider.userId, seconds_to_acknowledge: 60 },
  });
  wait(60);
  expect((await provider.post(`/incidents/${id}/acknowledge`)).body).toEqual(acknowledged.body);
  const closed = await provider.post(`/incidents/${id}/close`, { reason: 'clock set' });
  expect(closed.body).toMatchObject({ status: 'closed', closed_reason: 'clock set', seconds_to_close: 120 });
  for (const [what, body] of [['close', { reason: 'again' }], ['acknowledge']] as const) {
    expect(await provider.post(`/incidents/${id}/${what}`, body)).toMatchObject({
      status: 409,
      body: { code: 'GPUB_INCIDENT_CLOSED' },
    });
  }
  const told = await api.db.selectFrom('journal').select('kind').orderBy('seq').execute();
  expect(told.map(({ kind }) => kind).slice(3)).toEqual(['incident.acknowledged', 'incident.closed']);
  const { items } = (await provider.get('/incidents/figures')).body;
  expect(items).toMatchObject([
    { kind: 'clock-skew', incidents: 1, open: 0, seconds_to_acknowledge: { p50: 60 }, seconds_to_close: { p95: 120 } },
    { kind: 'node-offline', incidents: 2, open: 2, seconds_to_close: { mean: null } },
  ]);
});

test('of others are as if they did not exist', async () => {
  const { api, provider } = await apiWithIncidents();
  const { id } = (await provider.get('/incidents?limit=1')).body.items[0];
  const stranger = api.as(await api.addPrincipal('provider'));
  expect((await stranger.get('/incidents')).body.items).toEqual([]);
  expect((await stranger.get('/incidents/figures')).body.items).toEqual([]);
  expect((await stranger.get(`/incidents/${id}`)).status).toBe(404);
  expect((await stranger.post(`/incidents/${id}/acknowledge`)).status).toBe(404);
  expect((await stranger.post(`/incidents/${id}/close`, { reason: 'mine' })).status).toBe(404);
  expect((await api.as('admin').get(`/incidents/${id}`)).body).toMatchObject({ id, status: 'open' });
  expect((await api.as('consumer').get('/incidents')).status).toBe(403);
  expect((await api.as('anonymous').get('/incidents')).status).toBe(401);
});
