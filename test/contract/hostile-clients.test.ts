// Clients that are broken or mean: whatever they send, the daemon serves everybody else on.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { frame, rawCall, rawConnect, rawStatus } from '../fixtures/raw-client.ts';

const activeStreams = 'device_api_server_watch_streams_active';

let server: RunningCacheServer;
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);
beforeAll(async () => {
  process.on('uncaughtExceptionMonitor', note);
  process.on('unhandledRejection', note);
  server = await startCacheServer();
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
});
afterAll(async () => {
  process.off('uncaughtExceptionMonitor', note);
  process.off('unhandledRejection', note);
  await server.remove();
});
/** Each time: old connections and new ones are answered, reads and writes, and nothing broke inside. */
afterEach(async () => {
  const { gpu } = await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status: {} });
  expect((await server.client.ok('GetGpu', { name: 'gpu-0' })).gpu).toEqual(gpu);
  const session = rawConnect(server.socket);
  expect(await rawStatus(rawCall(session, 'ListGpus', frame(Buffer.alloc(0))))).toBe('0');
  session.destroy();
  await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(0));
  expect(uncaught).toEqual([]);
});

async function open(): Promise<Socket> {
  const socket = connect(server.socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.resume();
  return socket;
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** An HTTP/2 frame. */
function http2Frame(type: number, flags: number, stream: number, payload: Buffer, length = payload.length): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

const noise = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 167 + (i >> 3) * 31 + 7) & 0xff));

test.each([
  ['noise', noise],
  ['an HTTP/1.1 request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex')],
  ['half a preface', preface.subarray(0, 11)],
  ['a preface and noise', Buffer.concat([preface, noise])],
  ['half a frame header', Buffer.concat([preface, settings, Buffer.from([0, 0, 9])])],
  ['half a HEADERS frame', Buffer.concat([preface, settings, http2Frame(1, 4, 1, Buffer.from([0x82]), 400)])],
  ['headers that do not decode', Buffer.concat([preface, settings, http2Frame(1, 5, 1, noise.subarray(0, 300))])],
  ['DATA for a stream that is not', Buffer.concat([preface, settings, http2Frame(0, 1, 77, Buffer.alloc(10))])],
  ['a frame longer than allowed', Buffer.concat([preface, settings, http2Frame(0, 0, 1, Buffer.alloc(0), 0xffffff)])],
])('%s on the socket', async (_what, bytes) => {
  const stays = await open();
  stays.write(bytes);
  const goes = await open();
  goes.write(bytes);
  await new Promise((resolve) => setTimeout(resolve, 50));
  goes.destroy();
  await server.client.ok('ListGpus', {});
  stays.destroy();
});

test('a hundred connections opened and dropped, and a hundred left open', async () => {
  const dropped = await Promise.all(Array.from({ length: 100 }, open));
  for (const socket of dropped) socket.destroy();
  const left = await Promise.all(Array.from({ length: 100 }, open));
  for (const socket of left) socket.write(preface.subarray(0, 5));
  await server.client.ok('ListGpus', {});
  for (const socket of left) socket.destroy();
});

test('a message of 5 MB is refused with RESOURCE_EXHAUSTED', async () => {
  const message = 'x'.repeat(5_000_000);
  const status = { conditions: [{ type: 'Ready', status: 'True', message }] };
  expect(await server.client.call('UpdateGpuStatus', { name: 'gpu-0', status })).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
  });
});

test('a message that claims 4 GB is refused before its bytes come', async () => {
  const session = rawConnect(server.socket);
  const claim = frame(Buffer.from('some bytes'), 0xffffffff);
  expect(await rawStatus(rawCall(session, 'UpdateGpuStatus', claim, { end: false }))).toBe('8');
  expect(await rawStatus(rawCall(session, 'GetGpu', claim))).toBe('8');
  session.destroy();
});

test('a message that is short when compressed and long when not is refused', async () => {
  const session = rawConnect(server.socket);
  const bomb = gzipSync(Buffer.alloc(200_000_000));
  const headers = { 'grpc-encoding': 'gzip' };
  expect(await rawStatus(rawCall(session, 'GetGpu', frame(bomb, bomb.length, 1), { headers }))).toBe('8');
  session.destroy();
});

test.each([
  ['an unknown encoding', { 'grpc-encoding': 'brotli-of-mine' }, frame(noise, noise.length, 1)],
  ['no encoding', {}, frame(noise, noise.length, 1)],
  ['gzip that is none', { 'grpc-encoding': 'gzip' }, frame(noise, noise.length, 1)],
  ['a flag that does not exist', {}, frame(noise, noise.length, 9)],
])('a compressed message with %s fails', async (_what, headers, body) => {
  const session = rawConnect(server.socket);
  expect(await rawStatus(rawCall(session, 'GetGpu', body, { headers }))).not.toBe('0');
  session.destroy();
});

test.each([
  ['half a message', frame(Buffer.alloc(3), 100)],
  ['half a message header', Buffer.from([0, 0])],
  ['no message', Buffer.alloc(0)],
  ['two messages', Buffer.concat([frame(Buffer.from('\n\x05gpu-0')), frame(Buffer.from('\n\x05gpu-0'))])],
])('a call that ends after %s fails', async (_what, body) => {
  const session = rawConnect(server.socket);
  expect(await rawStatus(rawCall(session, 'GetGpu', body))).not.toBe('0');
  session.destroy();
});

test.each([
  ['a method that is not', { ':path': '/nvidia.device.v1alpha1.GpuService/Nothing' }],
  ['a service that is not', { ':path': '/no.Service/GetGpu' }],
  ['a path that is none', { ':path': '/' }],
  ['GET', { ':method': 'GET' }],
  ['another content type', { 'content-type': 'text/html' }],
])('a call with %s fails', async (_what, headers) => {
  const session = rawConnect(server.socket);
  expect(await rawStatus(rawCall(session, 'GetGpu', frame(Buffer.from('\n\x05gpu-0')), { headers }))).not.toBe('0');
  session.destroy();
});

test('calls and watches reset right after they began', async () => {
  const session = rawConnect(server.socket);
  for (let i = 0; i < 200; i += 1) {
    const method = ['GetGpu', 'WatchGpus', 'UpdateGpuStatus'][i % 3] as string;
    const stream = rawCall(session, method, frame(Buffer.from('\n\x05gpu-0')));
    stream.resume();
    if (i % 2 === 0) await new Promise(setImmediate);
    stream.close(constants.NGHTTP2_CANCEL);
  }
  session.destroy();
});

test('a client that resets its calls without end is disconnected', async () => {
  const session = rawConnect(server.socket);
  const closed = new Promise((resolve) => session.once('close', resolve));
  for (let i = 0; i < 5_000 && !session.closed; i += 1) {
    const stream = rawCall(session, 'GetGpu', frame(Buffer.from('\n\x05gpu-0')));
    stream.close(constants.NGHTTP2_CANCEL);
    await new Promise(setImmediate);
  }
  await closed;
});

test('clients that are killed in the middle of their calls', async () => {
  const program = join(import.meta.dirname, '..', 'fixtures', 'busy-client.ts');
  const clients = Array.from({ length: 2 }, () => fork(program, [server.socket]));
  await Promise.all(clients.map((client) => once(client, 'message')));
  await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(2));
  for (const client of clients) client.kill('SIGKILL');
  await Promise.all(clients.map((client) => once(client, 'exit')));
});

test('pings without streams, hundreds of them, are answered and never punished with GOAWAY', async () => {
  const session = rawConnect(server.socket);
  let goneAway = false;
  session.on('goaway', () => {
    goneAway = true;
  });
  await once(session, 'connect');
  for (let i = 0; i < 300; i += 1) {
    await new Promise<void>((resolve, reject) => {
      session.ping((error) => (error ? reject(error) : resolve()));
    });
    if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(goneAway).toBe(false);
  expect(await rawStatus(rawCall(session, 'GetGpu', frame(Buffer.from('\n\x05gpu-0'))))).toBe('0');
  expect(goneAway).toBe(false);
  session.destroy();
});

test('a read of a hundred kilobytes in pieces of a byte is refused in reasonable time', async () => {
  const session = rawConnect(server.socket);
  const stream = rawCall(session, 'GetGpu', frame(Buffer.alloc(0), 100_000), { end: false });
  for (let i = 0; i < 100_000; i += 1) stream.write(Buffer.from([0xff]));
  stream.end();
  expect(await rawStatus(stream)).toBe('8');
  session.destroy();
});

describe('the stop', () => {
  test('is not delayed by idle connections', async () => {
    const other = await startCacheServer();
    const idle = rawConnect(other.socket);
    await once(idle, 'remoteSettings');
    const before = performance.now();
    await other.remove();
    // The fixture forces after 2 s.
    expect(performance.now() - before).toBeLessThan(1_500);
    idle.destroy();
  });

  test('by force waits for nobody: a watcher that never reads, a call without end, a connection that never closes', async () => {
    const other = await startCacheServer();
    const big = { conditions: [{ type: 'Ready', status: 'True', message: 'x'.repeat(32_000) }] };
    for (let i = 0; i < 20; i += 1) {
      await other.client.ok('CreateGpu', { gpu: { metadata: { name: `gpu-${i}` }, spec: { uuid: 'x' }, status: big } });
    }
    const silent = connect(other.socket);
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    const session = rawConnect(other.socket);
    const watcher = rawCall(session, 'WatchGpus', frame(Buffer.alloc(0)));
    const endless = rawCall(session, 'GetGpu', frame(Buffer.alloc(3), 100), { end: false });
    await vi.waitFor(async () => expect(await other.metric(activeStreams)).toBe(1));
    await other.remove();
    await vi.waitFor(
      () => expect([watcher.destroyed, endless.destroyed, session.destroyed]).toEqual([true, true, true]),
      5_000,
    );
    silent.destroy();
  });
});
