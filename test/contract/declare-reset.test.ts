// DeclareReset: an operator's word counts as the sight of a reset, where one is waited for, and as no more.
import { afterEach, describe, expect, test } from 'vitest';
import { startCacheServer } from '../fixtures/cache-server.ts';
import { type JudgedGpus, startJudgedGpus } from '../fixtures/judged-gpus.ts';
import { connect } from '../fixtures/node-client.ts';

const gpu = 'GPU-A';
const mig = { mig: { enabled: true, pending: true, instanceUuids: ['MIG-1'] } };
const instance = { parent: gpu, migInstance: { gpuInstance: 1, computeInstance: 0 } };

let node: JudgedGpus;
afterEach(() => node.remove());

/** A node whose GPU has fallen off the bus. */
async function failedNode(flags: string[] = []): Promise<void> {
  node = await startJudgedGpus(flags);
  node.look(gpu);
  node.xid(gpu, 79);
}

const declare = (name: string) => node.server.client.call<object>('DeclareReset', { name });
const lost = 'XID 79: GPU has fallen off the bus';

describe('of a GPU that has failed', () => {
  test('answers how long it has to be quiet, is shown and logged, and heals nothing before that', async () => {
    await failedNode();
    expect(await declare('gpu-a')).toEqual({ ok: { quiet_period_millis: 60_000 } });
    expect(await node.found(gpu)).toEqual({ HardwareFailure: `${lost} (reset since)` });
    expect(node.logged).toContainEqual(
      expect.objectContaining({ level: 'info', gpu: 'gpu-a', msg: expect.stringContaining('declares') }),
    );
    for (let i = 0; i < 13; i += 1) node.look(gpu);
    expect(await node.found(gpu)).toHaveProperty('HardwareFailure');
    node.look(gpu);
    expect(await node.found(gpu)).toEqual({});
  });

  test('counts no more once something new is the matter', async () => {
    await failedNode();
    await declare(gpu);
    node.xid(gpu, 62);
    for (let i = 0; i < 40; i += 1) node.look(gpu);
    expect(Object.keys(await node.found(gpu))).toEqual(['HardwareFailure']);
  });

  test('counts for what failed of its MIG instances, which have none of their own', async () => {
    node = await startJudgedGpus();
    node.look(gpu, mig);
    node.look('MIG-1', instance);
    node.xid(gpu, 79, { gpuInstance: 1 });
    expect(await declare('MIG-1')).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: 'mig-1 is a MIG instance: declare the reset of its GPU, gpu-a',
    });
    expect(await node.found('MIG-1')).toEqual({ HardwareFailure: lost });
    expect(await declare(gpu)).toHaveProperty('ok');
    expect(await node.found('MIG-1')).toEqual({ HardwareFailure: `${lost} (reset since)` });
  });
});

describe('is refused', () => {
  test('for a GPU that is not there, and without a name', async () => {
    await failedNode();
    expect(await declare('gpu-x')).toEqual({ code: 'NOT_FOUND', details: 'no GPU is named "gpu-x"' });
    expect(await declare('')).toMatchObject({ code: 'INVALID_ARGUMENT', details: expect.stringMatching(/^name: /) });
  });

  test('for a GPU that has not failed: nothing counts in advance', async () => {
    node = await startJudgedGpus();
    node.look(gpu);
    expect(await declare(gpu)).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: 'gpu-a has not failed: no health check of the agent waits for a reset of it',
    });
    node.xid(gpu, 79);
    expect(await node.found(gpu)).toEqual({ HardwareFailure: lost });
  });

  test('for a GPU that no driver shows', async () => {
    await failedNode();
    await node.server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-b' }, spec: { uuid: 'GPU-B' } } });
    expect(await declare('gpu-b')).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('no driver has shown gpu-b'),
    });
  });

  test('where health checks are off', async () => {
    node = await startJudgedGpus([], false);
    node.look(gpu);
    expect(await declare(gpu)).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('--health-checks is off'),
    });
  });

  test('by a cache server alone', async () => {
    node = await startJudgedGpus();
    const alone = await startCacheServer();
    await alone.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-a' }, spec: { uuid: gpu } } });
    expect(await alone.client.call('DeclareReset', { name: 'gpu-a' })).toMatchObject({
      code: 'FAILED_PRECONDITION',
      details: expect.stringContaining('cache-server checks no GPU'),
    });
    await alone.remove();
  });

  test('on TCP, which is read-only, and nothing changes', async () => {
    await failedNode(['--grpc-address', '127.0.0.1:0']);
    const client = connect(node.server.tcp);
    expect(await client.call('DeclareReset', { name: gpu })).toMatchObject({ code: 'PERMISSION_DENIED' });
    client.close();
    expect(await node.found(gpu)).toEqual({ HardwareFailure: lost });
  });
});
