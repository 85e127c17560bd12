// What happens on the connection itself: TLS, HTTP that cannot be read, headers without end.
import { once } from 'node:events';
import { request } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { listen } from '../../../src/broker/api/http/server.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { selfSigned } from '../../fixtures/certificate.ts';

const local = { host: '127.0.0.1', port: 0 };

async function raw(port: number, sent: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(sent);
  return text(socket);
}

test('HTTP that cannot be read is answered with a problem', async () => {
  const { app } = await startTestApi(() => {});
  const port = await listen(app, local);
  const garbled = await raw(port, 'GARBLED\r\n\r\n');
  expect(garbled).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/);
  expect(garbled).toContain('"code":"GPUB_MALFORMED"');
  const endless = await raw(port, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`);
  expect(endless).toContain('431');
  expect(endless).toContain('"code":"GPUB_TOO_LARGE"');
});

test('with a certificate it speaks HTTPS, of 1.2 at least', async () => {
  const { cert, key } = await selfSigned('localhost');
  const { app } = await startTestApi(() => {}, { tls: { cert: Buffer.from(cert), key: Buffer.from(key) } });
  const port = await listen(app, local);
  const get = (options: object) =>
    new Promise<number | undefined>((resolve, reject) => {
      const asked = request({
        host: '127.0.0.1',
        port,
        path: '/health',
        servername: 'localhost',
        ca: cert,
        ...options,
      });
      asked.on('response', (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      });
      asked.on('error', reject).end();
    });
  expect(await get({})).toBe(200);
  await expect(get({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' })).rejects.toThrow();
  await expect(get({ ca: [] })).rejects.toThrow(/certificate/);
});
