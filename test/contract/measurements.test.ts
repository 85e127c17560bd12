// Measurements: a run lasts as long as its call, its news reach also who reads slowly, and what is kept is shown.
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import type { Measuring } from '../../src/cache-server/measurements.ts';
import type { Measurement, RunMeasurementResponse } from '../../src/wire/gpubroker/device/v1/measurement.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { FakeMeasuring, measurementOf } from '../fixtures/measurement.ts';
import { connect } from '../fixtures/node-client.ts';

const progress = (done: number, current = 'fp32'): RunMeasurementResponse => ({
  progress: { gpu: 'gpu-0', done, total: 9, current },
});

let server: RunningCacheServer;
const measuring = () => new FakeMeasuring();
async function start(agent: Measuring | undefined, flags: string[] = []): Promise<void> {
  server = await startCacheServer(flags, undefined, agent ? { measuring: agent } : {});
}
afterEach(() => server.remove());

describe('a run', () => {
  test('tells how far it is and what came of it, then ends', async () => {
    const agent = measuring();
    await start(agent);
    const request = { gpus: ['gpu-0', 'gpu-1'], effort: 'quick', benchmarks: ['fp32'] };
    const running = server.client.watch<Record<string, { gpu: string }>>('RunMeasurement', request);
    agent.say(progress(0));
    expect((await running.until(1))[0]?.progress).toEqual({ gpu: 'gpu-0', done: 0, total: 9, current: 'fp32' });
    agent.say({ measurement: measurementOf('gpu-0') });
    agent.say({ notMeasured: { gpu: 'gpu-1', reason: 'held', message: 'it is sold' } });
    agent.end();
    expect(await running.ended).toBe('OK');
    expect(running.events[1]?.measurement).toMatchObject({ gpu: 'gpu-0', label: 'simulated' });
    expect(running.events[2]?.not_measured).toMatchObject({ gpu: 'gpu-1', reason: 'held' });
    expect(agent.requests).toEqual([request]);
    const labels = { grpc_method: 'RunMeasurement', grpc_type: 'server_stream', grpc_code: 'OK' };
    expect(await server.metric('grpc_server_handled_total', labels)).toBe(1);
  });

  test('begins with the headers, before there is news', async () => {
    await start(measuring());
    const running = server.client.watch('RunMeasurement');
    await once(running.stream, 'metadata');
    expect(running.events).toEqual([]);
    running.cancel();
  });

  test('that its client ends is stopped', async () => {
    const agent = measuring();
    await start(agent);
    const running = server.client.watch('RunMeasurement');
    agent.say(progress(0));
    await running.until(1);
    running.cancel();
    await expect.poll(() => agent.stopped).toBe(1);
    const labels = { grpc_method: 'RunMeasurement', grpc_code: 'Canceled' };
    await expect.poll(() => server.metric('grpc_server_handled_total', labels)).toBe(1);
  });

  test('ends with the daemon, and does not delay it', async () => {
    const agent = measuring();
    await start(agent);
    const running = server.client.watch('RunMeasurement');
    agent.say(progress(0));
    await running.until(1);
    const before = performance.now();
    await server.stop();
    expect(await running.ended).toBe('CANCELLED');
    expect(agent.stopped).toBe(1);
    // The fixture forces after 2 s.
    expect(performance.now() - before).toBeLessThan(1_500);
  });

  test('is refused with the reason', async () => {
    await start(measuring());
    const running = server.client.watch('RunMeasurement', { gpus: ['gpu-x'] });
    expect(await running.ended).toBe('NOT_FOUND');
  });

  test('whose client does not read goes on, and costs what came of it', async () => {
    const agent = measuring();
    await start(agent);
    const running = server.client.watch<Record<string, { gpu: string }>>('RunMeasurement');
    agent.say(progress(0));
    await running.until(1);
    running.stream.pause();
    const long = 'x'.repeat(1_000);
    for (let i = 0; i < 10_000; i += 1) agent.say(progress(1, long));
    agent.say({ measurement: measurementOf('gpu-0') });
    agent.end();
    const labels = { grpc_method: 'RunMeasurement', grpc_code: 'OK' };
    await expect.poll(() => server.metric('grpc_server_handled_total', labels), { timeout: 5_000 }).toBe(1);
    running.stream.resume();
    expect(await running.ended).toBe('OK');
    expect(running.events.at(-1)?.measurement?.gpu).toBe('gpu-0');
    expect(running.events.length).toBeLessThan(5_000);
  });

  test('is refused on TCP unless writes are allowed there; what is kept is shown', async () => {
    const agent = measuring();
    agent.kept.push(measurementOf('gpu-0'));
    await start(agent, ['--grpc-address', '127.0.0.1:0']);
    const client = connect(server.tcp);
    expect(await client.watch('RunMeasurement').ended).toBe('PERMISSION_DENIED');
    expect(await client.ok('ListMeasurements', {})).toMatchObject({ measurements: [{ gpu: 'gpu-0' }] });
    expect(agent.requests).toEqual([]);
    client.close();
  });
});

describe('what is kept', () => {
  test('is shown of all GPUs or of one, and no more than asked for', async () => {
    const agent = measuring();
    agent.kept.push(measurementOf('gpu-1'), measurementOf('gpu-0'), measurementOf('gpu-0'));
    await start(agent);
    const list = async (request: object) => {
      const { measurements } = await server.client.ok<{ measurements: Measurement[] }>('ListMeasurements', request);
      return measurements.map(({ id }) => id);
    };
    const ids = agent.kept.map(({ id }) => id);
    expect(await list({})).toEqual(ids);
    expect(await list({ gpu: 'gpu-0' })).toEqual(ids.slice(1));
    expect(await list({ gpu: 'gpu-0', limit: 1 })).toEqual(ids.slice(1, 2));
    await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-1' }, spec: { uuid: 'GPU-1' } } });
    expect(await list({ gpu: 'GPU-1' })).toEqual(ids.slice(0, 1));
  });

  test('of a GPU that was never measured is nothing; of one that is not there, it is said', async () => {
    await start(measuring());
    await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
    expect(await server.client.ok('ListMeasurements', { gpu: 'GPU-0' })).toEqual({ measurements: [] });
    expect(await server.client.call('ListMeasurements', { gpu: 'gpu-1' })).toEqual({
      code: 'NOT_FOUND',
      details: 'no GPU is named "gpu-1"',
    });
    expect(await server.client.call('ListMeasurements', { gpu: 'a b' })).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

test('a cache server alone says that it measures nothing', async () => {
  await start(undefined);
  const reason = { code: 'FAILED_PRECONDITION', details: 'the cache-server measures no GPU: the agent does' };
  expect(await server.client.call('ListMeasurements', {})).toEqual(reason);
  expect(await server.client.watch('RunMeasurement').ended).toBe('FAILED_PRECONDITION');
});
