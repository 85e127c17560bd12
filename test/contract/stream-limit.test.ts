// The bound on open calls: more than fit into the memory of the daemon are refused, and there is room again afterwards.
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { limits } from '../../src/cache-server/limits.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

let server: RunningCacheServer;
const sessions: ClientHttp2Session[] = [];
beforeEach(async () => {
  server = await startCacheServer();
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await server.remove();
});

function newSession(): ClientHttp2Session {
  const session = connectHttp2('http://localhost', { createConnection: () => connectSocket(server.socket) });
  session.on('error', () => undefined);
  sessions.push(session);
  return session;
}

/** Opens a call and never sends its request. */
function openCall(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/nvidia.device.v1alpha1.GpuService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  return stream;
}

test.each(['GetGpu', 'UpdateGpuStatus', 'WatchGpus'])(
  'of %s: a call too many is refused, whatever it is',
  async (method) => {
    for (let s = 0; s < 10; s += 1) {
      const session = newSession();
      for (let i = 0; i < limits.streams / 10; i += 1) openCall(session, method);
      await new Promise<void>((resolve) => session.ping(() => resolve()));
    }
    expect(await server.client.call('ListGpus', {})).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining(String(limits.streams)),
    });
    for (const session of sessions) session.destroy();
    await expect.poll(() => server.client.call('ListGpus', {}), { timeout: 10_000 }).toHaveProperty('ok');
  },
);

test('of connections: one too many is closed, and the others are served', async () => {
  const open = Array.from({ length: limits.connections + 20 }, () => connectSocket(server.socket));
  let closed = 0;
  for (const socket of open) {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
  }
  await expect.poll(() => closed, { timeout: 10_000 }).toBeGreaterThanOrEqual(20);
  for (const socket of open) socket.destroy();
  await expect.poll(() => server.client.call('ListGpus', {}), { timeout: 10_000 }).toHaveProperty('ok');
});
