// Watchers that read slowly or not at all: cut off with RESOURCE_EXHAUSTED, never with a gap, and their memory returns.
import { constants } from 'node:http2';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { frame, rawCall, rawConnect, rawStatus } from '../fixtures/raw-client.ts';

const activeStreams = 'device_api_server_watch_streams_active';
const droppedEvents = 'device_api_server_watch_events_dropped_total';
const resourceExhausted = '8';

let server: RunningCacheServer;
let written = 0;
beforeEach(async () => {
  server = await startCacheServer(['--watch-queue-size', '20', '--watch-history-size', '1']);
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
  written = 0;
});
afterEach(() => server.remove());

/** Changes the GPU so many times, with events of about 32 kB: what the transport buffers is soon full. */
async function change(times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    written += 1;
    const conditions = [{ type: 'Ready', status: 'True', reason: `${written}`, message: 'x'.repeat(32_000) }];
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status: { conditions } });
  }
}

/** Opens a watch that reads nothing, and waits until it stands. */
async function watchWithoutReading() {
  const active = await server.metric(activeStreams);
  const session = rawConnect(server.socket);
  const stream = rawCall(session, 'WatchGpus', frame(Buffer.alloc(0)));
  await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(active + 1));
  return { session, stream };
}

describe('a watcher that never reads', () => {
  test('is cut once more than --watch-queue-size events wait, and the dropped events are counted', async () => {
    const { session } = await watchWithoutReading();
    // What fits into the transport's buffers does not wait.
    await change(19);
    expect(await server.metric(activeStreams)).toBe(1);
    expect(await server.metric(droppedEvents)).toBe(0);
    await change(60);
    expect(await server.metric(activeStreams)).toBe(0);
    expect(await server.metric(droppedEvents)).toBe(21);
    expect(
      await server.metric('grpc_server_handled_total', { grpc_method: 'WatchGpus', grpc_code: 'ResourceExhausted' }),
    ).toBe(1);
    session.destroy();
  });

  test('finds RESOURCE_EXHAUSTED behind what was sent, when it begins to read after all', async () => {
    const { session, stream } = await watchWithoutReading();
    await change(60);
    expect(await server.metric(activeStreams)).toBe(0);
    expect(await rawStatus(stream)).toBe(resourceExhausted);
    session.destroy();
  });

  test('and never will is reset within a few seconds', async () => {
    const { session, stream } = await watchWithoutReading();
    const closed = new Promise((resolve) => stream.once('close', resolve));
    await change(60);
    expect(await server.metric(activeStreams)).toBe(0);
    // Nothing reads here, and yet the stream ends: by RST_STREAM.
    await Promise.race([closed, failAfter(15_000)]);
    expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    session.destroy();
  });

  test('gives back at the cut the memory that it held', async () => {
    await server.remove();
    server = await startCacheServer(['--watch-queue-size', '800', '--watch-history-size', '1']);
    await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
    await change(20);
    const before = await memory();
    const { session } = await watchWithoutReading();
    await change(780);
    expect((await memory()) - before).toBeGreaterThan(20_000_000);
    await change(60);
    expect(await server.metric(activeStreams)).toBe(0);
    await vi.waitFor(async () => expect((await memory()) - before).toBeLessThan(8_000_000), 10_000);
    session.destroy();
  });

  test('delays nobody else: a watcher beside it has every event in order', async () => {
    const { session } = await watchWithoutReading();
    const other = server.client.watch('WatchGpus');
    await other.until(1);
    await change(60);
    const events = await other.until(61);
    const reasons = events.slice(1).map(({ object }) => object.status.conditions[0]?.reason);
    expect(reasons).toEqual(Array.from({ length: 60 }, (_, i) => `${i + 1}`));
    other.cancel();
    session.destroy();
  });

  test('of devices is cut likewise', async () => {
    const session = rawConnect(server.socket);
    const path = '/gpubroker.device.v1.DeviceDetails/WatchDevices';
    const stream = rawCall(session, '', frame(Buffer.alloc(0)), { headers: { ':path': path } });
    await vi.waitFor(() => expect(server.book.streams.size).toBe(1));
    for (let i = 0; i < 60; i += 1) server.book.set('gpu-0', { ...emptyRecord, model: `${i}`.repeat(16_000) });
    expect(server.book.streams.size).toBe(0);
    expect(await rawStatus(stream)).toBe(resourceExhausted);
    session.destroy();
  });
});

describe('a watcher that reads too slowly', () => {
  test('has every event up to the cut without a gap, then RESOURCE_EXHAUSTED', async () => {
    const watching = server.client.watch('WatchGpus');
    await watching.until(1);
    watching.stream.pause();
    let ended: string | undefined;
    watching.ended.then((code) => {
      ended = code;
    });
    // It reads one event for every three that come.
    for (let i = 0; i < 200 && ended === undefined; i += 1) {
      await change(3);
      watching.stream.read();
    }
    watching.stream.resume();
    expect(await watching.ended).toBe('RESOURCE_EXHAUSTED');
    const reasons = watching.events.slice(1).map(({ object }) => object.status.conditions[0]?.reason);
    expect(reasons.length).toBeGreaterThan(20);
    expect(reasons).toEqual(Array.from({ length: reasons.length }, (_, i) => `${i + 1}`));
    expect(reasons.length).toBeLessThan(written);
    expect(await server.metric(droppedEvents)).toBe(21);
  });

  test('but catches up in time has every event', async () => {
    const watching = server.client.watch('WatchGpus');
    await watching.until(1);
    for (let round = 0; round < 5; round += 1) {
      watching.stream.pause();
      await change(15);
      watching.stream.resume();
      await watching.until(1 + written);
    }
    const reasons = watching.events.slice(1).map(({ object }) => object.status.conditions[0]?.reason);
    expect(reasons).toEqual(Array.from({ length: 75 }, (_, i) => `${i + 1}`));
    expect(await server.metric(droppedEvents)).toBe(0);
    watching.cancel();
  });

  test('is not cut for what its watch begins with: that does not count as waiting', async () => {
    for (let i = 1; i <= 100; i += 1) {
      const status = { conditions: [{ type: 'Ready', status: 'True', message: 'x'.repeat(9_000) }] };
      await server.client.ok('CreateGpu', {
        gpu: { metadata: { name: `gpu-${i}` }, spec: { uuid: `GPU-${i}` }, status },
      });
    }
    const watching = server.client.watch('WatchGpus');
    watching.stream.pause();
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(1));
    await change(10);
    expect(await server.metric(activeStreams)).toBe(1);
    watching.stream.resume();
    expect(await watching.until(111)).toHaveLength(111);
    watching.cancel();
  });
});

const emptyRecord = { nvlinks: [], processes: [], evidence: [] };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use after a garbage collection. */
async function memory(): Promise<number> {
  collectGarbage();
  await new Promise((resolve) => setTimeout(resolve, 20));
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function failAfter(ms: number): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms).unref();
  });
}
