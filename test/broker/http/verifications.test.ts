// Verifications over HTTP: who sees which, page by page and live; what fits; and challenges that somebody asks for.
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { FitRequest, type VerificationDetails } from '../../../src/api/verifications.ts';
import { verificationRoutes } from '../../../src/broker/api/http/routes/verifications.ts';
import { ChangeStream } from '../../../src/broker/events/stream.ts';
import { newId } from '../../../src/broker/ids.ts';
import { Refusal } from '../../../src/broker/refusal.ts';
import type { ChallengeOutcome, Challenger } from '../../../src/broker/verification/contract.ts';
import { figureNames } from '../../../src/score/figures.ts';
import { startTestApi, type TestApi, type TestPrincipal } from '../../fixtures/broker-http.ts';
import { addGpu, addNode, type TestNode } from '../../fixtures/registry.ts';
import { healthy, measurementOf, proofOf, testRecords } from '../../fixtures/verification.ts';

const start = Date.UTC(2026, 0, 5, 12);

interface Known {
  readonly node: TestNode;
  readonly gpuId: string;
  readonly name: string;
}

/** The API, the records behind it, and a GPU of the provider. */
async function setUp(challengeNow: Challenger['challengeNow'] = async () => [], challengeWait?: number) {
  let time = start;
  const now = () => new Date(time);
  let changes: ChangeStream | undefined;
  const api = await startTestApi(
    (app, services, database) => {
      changes = new ChangeStream({ ...database, log: pino({ level: 'silent' }) });
      const stream = changes;
      app.addHook('preClose', () => stream.stop());
      verificationRoutes(app, { ...services, changes: stream, challenger: { challengeNow }, challengeWait });
    },
    { now },
  );
  const records = testRecords({ db: api.db, now });
  const add = async (who: TestPrincipal): Promise<Known> => {
    const node = await addNode(api.db, who.accountId);
    const name = `gpu-${newId()}`;
    return { node, gpuId: await addGpu(api.db, node, { name }), name };
  };
  const advance = (ms: number) => {
    time += ms;
  };
  const measure = async ({ node, name }: Known, figures = healthy) => {
    advance(1000);
    const measurement = measurementOf(name, figures);
    await records.take(node.nodeId, measurement);
    return measurement.id;
  };
  const prove = async ({ node, gpuId }: Known, outcome: 'passed' | 'failed' = 'passed') => {
    advance(1000);
    const result = proofOf({ nodeId: node.nodeId, gpuId }, now(), { outcome });
    await records.proven(result);
    return result.id;
  };
  const mine = await add(api.principals.provider);
  return { api, add, mine, measure, prove, now, advance };
}

const idsOf = ({ body }: { body: { items: { id: string }[] } }) => body.items.map(({ id }) => id);

test('one sees those of one’s own GPUs, newest first, an admin all, and buyers none', async () => {
  const { api, add, mine, measure, prove } = await setUp();
  const other = await add(api.principals.admin);
  const first = await measure(mine);
  const second = await prove(mine);
  const strange = await prove(other);
  const list = (who: 'provider' | 'admin' | 'consumer', query = '') => api.as(who).get(`/verifications${query}`);
  expect(idsOf(await list('provider'))).toEqual([second, first]);
  expect(idsOf(await list('admin'))).toEqual([strange, second, first]);
  expect((await list('consumer')).status).toBe(403);
  expect(idsOf(await list('provider', `?gpu_id=${other.gpuId}`))).toEqual([]);
  expect((await api.as('provider').get(`/verifications/${strange}`)).status).toBe(404);
  const nobody = await api.addPrincipal('provider');
  expect(idsOf(await api.as(nobody).get('/verifications'))).toEqual([]);
});

test('filters narrow, and pages neither repeat nor skip', async () => {
  const { api, mine, add, measure, prove, now, advance } = await setUp();
  const more = await add(api.principals.provider);
  const made: string[] = [];
  for (let round = 0; round < 3; round++) {
    made.unshift(await measure(mine));
    made.unshift(await prove(mine, round === 1 ? 'failed' : 'passed'));
    made.unshift(await measure(more, { ...healthy, fp32: 1 }));
  }
  const list = async (query: string) => idsOf(await api.as('provider').get(`/verifications?${query}`));
  const pages: string[] = [];
  for (let cursor: string | null = '', turn = 0; cursor !== null && turn < 9; turn++) {
    const { body } = await api.as('provider').get(`/verifications?limit=2${cursor && `&cursor=${cursor}`}`);
    pages.push(...body.items.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
  }
  expect(pages).toEqual(made);
  expect(await list(`gpu_id=${more.gpuId}`)).toEqual(made.filter((_, at) => at % 3 === 0));
  expect(await list(`node_id=${mine.node.nodeId}&kind=proof&outcome=failed`)).toEqual([made[4]]);
  expect(await list(`provider_id=${mine.node.providerId}&kind=measurement`)).toHaveLength(3);
  const since = now();
  advance(1000);
  const last = await prove(mine);
  expect(await list(`since=${new Date(since.getTime() + 1).toISOString()}`)).toEqual([last]);
  const bad = await api.as('provider').get('/verifications?cursor=WzEsMl0');
  expect(bad).toMatchObject({ status: 400, body: { code: 'GPUB_INVALID', field: 'query.cursor' } });
});

test('one shows its samples, the band, the parts of the score and how it was taken', async () => {
  const { api, mine, measure, prove } = await setUp();
  const { body } = await api.as('provider').get(`/verifications/${await measure(mine)}`);
  const shown = body as VerificationDetails;
  expect(shown).toMatchObject({
    kind: 'measurement',
    outcome: 'passed',
    label: 'measured',
    score: 100,
    effort: 'quick',
  });
  expect(shown.figures.find(({ name }) => name === 'fp32')).toEqual({
    name: 'fp32',
    unit: 'TFLOP/s',
    median: 45,
    samples: [45.45, 45, 44.55],
  });
  expect(shown.evidence).toMatchObject({
    backend: 'cuda',
    conditions: { fp32: { readings: 3, sm_mhz: { least: 1900, greatest: 1980 }, throttle_bits: 4 } },
    yardstick: { product: 'H100-SXM5-80GB', bands: { fp32: { expected: 39, from: 'reference' } } },
  });
  expect((shown.evidence as { parts: unknown[] }).parts.length).toBeGreaterThan(2);
  const failed = await api.as('provider').get(`/verifications/${await prove(mine, 'failed')}`);
  expect(failed.body).toMatchObject({
    ...{ kind: 'proof', outcome: 'failed', reason: 'wrong-product', label: 'self-reported', figures: [], score: null },
    evidence: { size: 16_384, rounds: 64, opened: 48 },
  });
});

/** The kinds of the events that a stream has told. */
function follow(api: TestApi, who: TestPrincipal, query = ''): Promise<() => string[]> {
  const { port } = api.app.server.address() as AddressInfo;
  const path = `/api/v2/verifications/stream${query}`;
  const headers = { authorization: `Bearer ${who.key}`, accept: 'text/event-stream' };
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('error', () => undefined);
      response.on('data', (part: string) => {
        text += part;
        // It has said where it is.
        if (text.includes('\nid: ')) resolve(() => [...text.matchAll(/^event: (.+)$/gm)].map(([, kind = '']) => kind));
      });
    });
    request.on('error', () => undefined);
    onTestFinished(() => void request.destroy());
  });
}

test('the stream tells of verifications alone, of one’s own, and so do its pages', async () => {
  const { api, add, mine, measure, prove } = await setUp();
  await api.app.listen({ port: 0, host: '127.0.0.1' });
  const other = await add(api.principals.admin);
  await prove(mine);
  const live = await follow(api, api.principals.provider);
  const resumed = await follow(api, api.principals.provider, '?after=0');
  const all = await follow(api, api.principals.admin);
  await prove(other);
  await measure(mine);
  // Besides, it opens an incident, which is an event of another kind.
  await prove(mine, 'failed');
  await vi.waitFor(() => expect(live()).toEqual(['gpu.measured', 'gpu.verification_failed']), 5000);
  await vi.waitFor(() => expect(resumed()).toEqual(['gpu.verified', 'gpu.measured', 'gpu.verification_failed']), 5000);
  await vi.waitFor(() => expect(all()).toEqual(['gpu.verified', 'gpu.measured', 'gpu.verification_failed']), 5000);
  const page = (await api.as('provider').get('/verifications/stream?limit=2')).body;
  expect(page.items).toMatchObject([
    { kind: 'gpu.verified', gpu_id: mine.gpuId, data: { label: 'challenge-verified' } },
    { kind: 'gpu.measured', data: { verification: { kind: 'measurement', outcome: 'passed' } } },
  ]);
  const next = (await api.as('provider').get(`/verifications/stream?after=${page.next}`)).body;
  expect(next.items).toMatchObject([
    { kind: 'gpu.verification_failed', data: { label: 'self-reported', score: null } },
  ]);
});

test('every figure can be wished for', () => {
  expect(Object.keys(FitRequest.properties.figures.properties)).toEqual(figureNames);
});

test('a GPU fits wish by wish', async () => {
  const { api, mine, measure } = await setUp();
  const fit = async (body: unknown) => (await api.as('provider').post(`/gpus/${mine.gpuId}/fit`, body)).body;
  expect(await fit({})).toEqual({ fits: true, checks: [] });
  expect(await fit({ product: 'H100', memory_gb_min: 80, compute_capability_min: '8.9' })).toEqual({
    fits: true,
    checks: [
      { field: 'product', wanted: 'H100-SXM5-80GB', has: 'H100-SXM5-80GB', ok: true },
      { field: 'memory_gb_min', wanted: 80, has: 80, ok: true },
      { field: 'compute_capability_min', wanted: '8.9', has: '9.0', ok: true },
    ],
  });
  const wished = { label_min: 'measured', score_min: 80, figures: { fp32: 40, 'memory-latency': 700 } };
  expect(await fit(wished)).toMatchObject({ fits: false, checks: [{}, { has: null }, { has: null }, { has: null }] });
  await measure(mine);
  expect(await fit(wished)).toMatchObject({ fits: true, checks: [{}, { has: 100 }, { has: 45 }, { has: 600 }] });
  expect(await fit({ figures: { 'memory-latency': 500 } })).toMatchObject({ fits: false });
  expect((await api.as('provider').post(`/gpus/${mine.gpuId}/fit`, { figures: { 'warp-speed': 9 } })).status).toBe(400);
  expect((await api.as('consumer').post(`/gpus/${mine.gpuId}/fit`, {})).status).toBe(404);
});

const outcome: ChallengeOutcome = {
  gpuId: newId(),
  gpu: 'gpu-a',
  verificationId: newId(),
  outcome: 'passed',
  reason: undefined,
  message: 'its rows are right',
};

test('a challenge that is over is answered with what came of it, and written down', async () => {
  const asked: string[] = [];
  const { api, mine } = await setUp(async (nodeId) => {
    asked.push(nodeId);
    return [outcome];
  });
  const answer = await api.as('provider').post(`/nodes/${mine.node.nodeId}/challenge`);
  expect(answer).toMatchObject({
    status: 200,
    body: { finished: true, outcomes: [{ gpu: 'gpu-a', outcome: 'passed', reason: null }] },
  });
  expect(asked).toEqual([mine.node.nodeId]);
  const entries = await api.db.selectFrom('audit_log').select(['action', 'outcome', 'target_id']).execute();
  expect(entries).toEqual([{ action: 'node.challenge', outcome: 'allowed', target_id: mine.node.nodeId }]);
});

test('one that takes long goes on without who asked, also when it fails then', async () => {
  const { api, mine } = await setUp(async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    throw new Error('the node went away');
  }, 20);
  const answer = await api.as('provider').post(`/nodes/${mine.node.nodeId}/challenge`);
  expect(answer).toMatchObject({ status: 202, body: { finished: false, outcomes: [] } });
  await new Promise((resolve) => setTimeout(resolve, 400));
});

test('a node is challenged on request six times an hour; others are not in its way', async () => {
  const { api, mine, add } = await setUp();
  const challenge = ({ node }: Known) => api.as('provider').post(`/nodes/${node.nodeId}/challenge`);
  for (let count = 0; count < 6; count++) expect((await challenge(mine)).status).toBe(200);
  const refused = await challenge(mine);
  expect(refused).toMatchObject({ status: 429, body: { code: 'GPUB_TOO_MANY_CHALLENGES' } });
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(3500);
  expect((await challenge(await add(api.principals.provider))).status).toBe(200);
  // Somebody else's node does not even count.
  const stranger = await api.addPrincipal('provider');
  expect((await api.as(stranger).post(`/nodes/${mine.node.nodeId}/challenge`)).status).toBe(404);
});

test('what cannot be challenged is refused, and others’ nodes are not there', async () => {
  const { api, mine, add } = await setUp(async () => {
    throw new Refusal('conflict', 'GPUB_NODE_OFFLINE', 'the node is not connected');
  });
  const challenge = (id: string) => api.as('provider').post(`/nodes/${id}/challenge`);
  expect(await challenge(mine.node.nodeId)).toMatchObject({ status: 409, body: { code: 'GPUB_NODE_OFFLINE' } });
  const other = await add(api.principals.admin);
  expect((await challenge(other.node.nodeId)).status).toBe(404);
  await api.db.updateTable('nodes').set({ decommissioned_at: new Date() }).where('id', '=', mine.node.nodeId).execute();
  expect((await challenge(mine.node.nodeId)).body.code).toBe('GPUB_NODE_DECOMMISSIONED');
});
