// A thousand watchers, one of which never reads: all others have every event in order, and that one is cut.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { frame, rawCall, rawConnect, rawStatus } from '../fixtures/raw-client.ts';
import type { WatchReport } from '../fixtures/watchers.ts';

const processes = 3;
const watchersEach = 333;
const activeStreams = 'device_api_server_watch_streams_active';

let server: RunningCacheServer;
const children: ChildProcess[] = [];
beforeAll(async () => {
  server = await startCacheServer(['--watch-queue-size', '20']);
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await server.remove();
});

test('999 watchers have every event in order beside one that never reads, which is cut', async () => {
  const program = join(import.meta.dirname, '..', 'fixtures', 'watchers.ts');
  for (let i = 0; i < processes; i += 1) children.push(fork(program, [server.socket, String(watchersEach)]));
  await Promise.all(children.map((child) => once(child, 'message')));
  const session = rawConnect(server.socket);
  const stream = rawCall(session, 'WatchGpus', frame(Buffer.alloc(0)));
  await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(1000));

  // As fast as the readers follow: the dead one is the only reason for a cut.
  const message = 'x'.repeat(8_000);
  for (let version = 2; version <= 41; version += 1) {
    const status = { conditions: [{ type: 'Ready', status: 'True', reason: `${version}`, message }] };
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status });
    if (version % 5 === 0) await everybodySaw(version);
  }
  await everybodySaw(41);

  expect(await server.metric(activeStreams)).toBe(999);
  expect(await server.metric('device_api_server_watch_events_dropped_total')).toBe(21);
  expect(await rawStatus(stream)).toBe('8');
  session.destroy();

  for (const child of children) child.kill('SIGKILL');
  await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(0), 10_000);
}, 60_000);

async function everybodySaw(version: number): Promise<void> {
  const expected = Array.from({ length: version }, (_, i) => i + 1).join(' ');
  await vi.waitFor(
    async () => {
      for (const { seen, ended } of await Promise.all(children.map(report))) {
        expect(ended).toBe(0);
        expect(seen).toHaveLength(watchersEach);
        expect(new Set(seen)).toEqual(new Set([expected]));
      }
    },
    { timeout: 30_000, interval: 50 },
  );
}

async function report(child: ChildProcess): Promise<WatchReport> {
  child.send('report');
  const [answer] = (await once(child, 'message')) as [WatchReport];
  return answer;
}
