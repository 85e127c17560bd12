// Verifications on the command line: tables, JSON, what is followed, and exit codes that scripts can stand on.
import { expect, onTestFinished, test, vi } from 'vitest';
import { watchVerifications } from '../../../src/cli/broker/verifications.ts';
import { createClient } from '../../../src/client/client.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import { healthy, measurementOf, proofOf, testRecords } from '../../fixtures/verification.ts';
import { type BrokerSettings, testBroker } from './broker.ts';

/** A broker with one GPU of the provider. */
async function setUp(settings: BrokerSettings = {}) {
  const broker = await testBroker(settings);
  const { db } = broker.database;
  const node = await addNode(db, broker.people.provider.accountId);
  const gpuId = await addGpu(db, node, { name: 'gpu-a' });
  let time = Date.now() - 60_000;
  const now = () => new Date(time);
  const records = testRecords({ db, now });
  const measure = async () => {
    time += 1000;
    const measurement = measurementOf('gpu-a');
    await records.take(node.nodeId, measurement);
    return measurement.id;
  };
  const prove = async (outcome: 'passed' | 'failed') => {
    time += 1000;
    const result = proofOf({ nodeId: node.nodeId, gpuId }, now(), { outcome });
    await records.proven(result);
    return result.id;
  };
  return { broker, node, gpuId, measure, prove };
}

test('a list shows what was found out, and filters narrow it', async () => {
  const { broker, gpuId, node, measure, prove } = await setUp();
  const measured = await measure();
  const failed = await prove('failed');
  const list = (...argv: string[]) => broker.as('provider', 'verifications', 'list', ...argv);
  const [heading, first, second] = (await list()).stdout.split('\n');
  expect(heading).toMatch(/^ID +GPU +KIND +OUTCOME +REASON +LABEL +SCORE +AT$/);
  expect(first).toMatch(new RegExp(`^${failed} +${gpuId} +proof +failed +wrong-product +self-reported +- +5\\ds ago$`));
  expect(second).toMatch(new RegExp(`^${measured} +${gpuId} +measurement +passed +- +measured +100 +5\\ds ago$`));
  const narrow = ['--gpu', gpuId, '--node', node.nodeId, '--kind', 'proof', '--outcome', 'failed', '--since', '2m'];
  expect(await broker.json('provider', 'verifications', 'list', ...narrow)).toMatchObject({ items: [{ id: failed }] });
  expect(await list('--provider', node.providerId, '--since', '1s')).toMatchObject({
    stdout: '',
    stderr: 'No such verification.\n',
  });
});

test('one shows its figures', async () => {
  const { broker, measure, prove } = await setUp();
  const id = await measure();
  const { stdout } = await broker.as('provider', 'verifications', 'show', id);
  expect(stdout).toMatch(/^score +100$/m);
  expect(stdout).toMatch(/^FIGURE +MEDIAN +LEAST +GREATEST +SAMPLES +UNIT$/m);
  expect(stdout).toMatch(/^memory-bandwidth +2700 +2673 +2727 +3 +GB\/s$/m);
  expect(await broker.json('provider', 'verifications', 'show', id)).toMatchObject({ evidence: { backend: 'cuda' } });
  const proof = await broker.as('provider', 'verifications', 'show', await prove('passed'));
  expect(proof.stdout).not.toContain('FIGURE');
  expect((await broker.as('provider', 'verifications', 'show', broker.people.admin.userId)).code).toBe(3);
});

test('what happens is told as it happens, and nothing else', async () => {
  const { broker, gpuId, measure, prove } = await setUp();
  let written = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written += text;
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  const stop = new AbortController();
  const client = createClient({ url: broker.url, token: broker.people.provider.key });
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  async function* observed(...given: Parameters<typeof client.follow>) {
    for await (const event of client.follow(...given)) {
      resolve();
      yield event;
    }
  }
  const ended = watchVerifications({ ...client, follow: observed }, false, stop.signal);
  await begun;
  await measure();
  await prove('failed');
  await vi.waitFor(() => expect(written.split('\n')).toHaveLength(3), 10_000);
  stop.abort();
  await ended;
  const [first, second] = written.split('\n');
  expect(first).toMatch(new RegExp(`Z  gpu\\.measured +${gpuId}  measured  score 100  NVIDIA H100 80GB HBM3$`));
  expect(second).toMatch(
    new RegExp(`Z  gpu\\.verification_failed +${gpuId}  self-reported  wrong-product  NVIDIA H100 80GB HBM3$`),
  );
});

test('a challenge shows what came of it, and fails where a GPU does', async () => {
  const outcomes = (['passed', 'failed', 'not-now'] as const).map((outcome, place) => ({
    gpuId: '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c',
    gpu: `gpu-${place}`,
    verificationId: outcome === 'not-now' ? undefined : '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9d',
    outcome,
    reason: { passed: undefined, failed: 'too-slow', 'not-now': 'held' }[outcome],
    message: `it is ${outcome}`,
  }));
  const asked = [outcomes, outcomes.slice(0, 1), []];
  const { broker, node } = await setUp({ challenger: { challengeNow: async () => asked.shift() ?? [] } });
  const challenge = () => broker.as('provider', 'verifications', 'challenge', node.nodeId);
  const first = await challenge();
  expect(first.code).toBe(1);
  expect(first.stdout).toMatch(/^GPU +OUTCOME +REASON +VERIFICATION +MESSAGE\ngpu-0 +passed +- /);
  expect(first.stdout).toMatch(/^gpu-2 +not-now +held +- +it is not-now$/m);
  expect((await challenge()).code).toBe(0);
  expect(await challenge()).toMatchObject({ code: 0, stderr: 'No GPU was challenged.\n' });
});

test('whether a GPU fits is told wish by wish, and by the exit code', async () => {
  const { broker, gpuId, measure } = await setUp();
  const fit = (...wishes: string[]) => broker.as('provider', 'verifications', 'fit', gpuId, ...wishes);
  const before = await fit('--product', 'H100', '--label-min', 'measured', '--score-min', '80');
  expect(before.code).toBe(1);
  expect(before.stdout).toMatch(/^label_min +measured +self-reported +no$/m);
  expect(before.stdout).toMatch(/^score_min +80 +- +no$/m);
  expect(before.stdout).toMatch(/\nIt does not fit\.\n$/);
  await measure();
  const figure = `fp32=${healthy.fp32}`;
  const all = ['--score-min', '80', '--figure', figure, '--figure', 'memory-latency=700', '--memory-gb-min', '79.5'];
  const after = await fit(...all, '--health', 'healthy', '--status', 'available', '--compute-capability-min', '8.9');
  expect(after.code).toBe(0);
  expect(after.stdout).toMatch(/^figures\.fp32 +45 +45 +yes$/m);
  expect(after.stdout).toMatch(/\nIt fits\.\n$/);
  expect(await broker.json('provider', 'verifications', 'fit', gpuId)).toEqual({ fits: true, checks: [] });
  for (const wrong of ['warp=9', 'fp32', 'fp32=x']) expect((await fit('--figure', wrong)).code).toBe(2);
});
