// The device API on TCP: read-only unless writes are allowed, in the clear or with TLS.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newFolder, type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { connect, type NodeClient } from '../fixtures/node-client.ts';

const gpu = { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } };
const writes = [
  ['CreateGpu', { gpu: { metadata: { name: 'gpu-1' }, spec: { uuid: 'GPU-1' } } }],
  ['UpdateGpu', { gpu: { ...gpu, spec: { uuid: 'GPU-other' } } }],
  ['UpdateGpuStatus', { name: 'gpu-0', status: { conditions: [{ type: 'Ready', status: 'False' }] } }],
  ['DeleteGpu', { name: 'gpu-0' }],
] as const;

describe('without --grpc-allow-writes', () => {
  let server: RunningCacheServer;
  let client: NodeClient;
  beforeAll(async () => {
    server = await startCacheServer(['--grpc-address', '127.0.0.1:0']);
    client = connect(server.tcp);
    await server.client.ok('CreateGpu', { gpu });
  });
  afterAll(async () => {
    client.close();
    await server.remove();
  });

  test.each(writes)('%s is refused with PERMISSION_DENIED, and nothing changes', async (method, request) => {
    const before = await client.ok('ListGpus', {});
    expect(await client.call(method, request)).toMatchObject({
      code: 'PERMISSION_DENIED',
      details: expect.stringContaining('--grpc-allow-writes'),
    });
    expect(await client.ok('ListGpus', {})).toEqual(before);
  });

  test('a wrong write is refused for the address all the same, and says nothing of GPUs', async () => {
    expect(await client.call('DeleteGpu', { name: 'gpu-none' })).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await client.call('CreateGpu', {})).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  test('reads and watches show what is written on the socket', async () => {
    const watching = client.watch('WatchGpus');
    await watching.until(1);
    const status = { conditions: [{ type: 'Ready', status: 'True' }] };
    const written = await server.client.ok('UpdateGpuStatus', { name: 'gpu-0', status });
    expect(await client.ok('GetGpu', { name: 'gpu-0' })).toEqual({ gpu: written.gpu });
    expect((await watching.until(2))[1]?.object).toEqual(written.gpu);
    watching.cancel();
  });

  test.each(['Register', 'Heartbeat', 'Unregister'])(
    '%s is refused, for who beats there would own types',
    async (method) => {
      expect(await client.call(method, {}, 'dcgm')).toMatchObject({ code: 'PERMISSION_DENIED' });
      const { providers } = await client.ok<{ providers: { id: string }[] }>('ListProviders', {});
      expect(providers.map(({ id }) => id)).not.toContain('dcgm');
      expect(await client.ok('GetReports', { name: 'gpu-0' })).toMatchObject({ name: 'gpu-0' });
    },
  );

  test('the log level cannot be changed', async () => {
    expect(await client.call('SetLogLevel', { level: 'trace' })).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await client.ok('GetStatus', {})).toMatchObject({ log_level: 'debug' });
  });
});

test('with --grpc-allow-writes every write is done', async () => {
  const server = await startCacheServer(['--grpc-address', '127.0.0.1:0', '--grpc-allow-writes']);
  const client = connect(server.tcp);
  await client.ok('CreateGpu', { gpu });
  for (const [method, request] of writes) expect(await client.call(method, request)).toHaveProperty('ok');
  client.close();
  await server.remove();
});

test('an empty address means no TCP', async () => {
  const server = await startCacheServer(['--grpc-address', '']);
  expect(server.tcp).toBe('');
  await server.remove();
});

describe('with TLS', () => {
  let folder: string;
  let cert: string;
  let key: string;
  const namedLocalhost = { 'grpc.ssl_target_name_override': 'localhost' };
  beforeAll(() => {
    folder = newFolder();
    cert = join(folder, 'tls.crt');
    key = join(folder, 'tls.key');
    makeCertificate(cert, key);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('a client that trusts the certificate is served', async () => {
    const server = await startCacheServer(['--grpc-address', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key]);
    const client = connect(server.tcp, namedLocalhost, credentials.createSsl(readFileSync(cert)));
    expect(await client.call('ListGpus', {})).toHaveProperty('ok');
    client.close();
    await server.remove();
  });

  test('a client in the clear and one that does not trust it are not', async () => {
    const server = await startCacheServer(['--grpc-address', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key]);
    for (const security of [credentials.createInsecure(), credentials.createSsl()]) {
      const client = connect(server.tcp, namedLocalhost, security);
      expect(await client.call('ListGpus', {})).toMatchObject({ code: 'UNAVAILABLE' });
      client.close();
    }
    expect(await server.client.call('ListGpus', {})).toHaveProperty('ok');
    await server.remove();
  });

  describe('a file that is wrong is named, with the reason: GPUB_TLS_FILE_REFUSED', () => {
    /** Starts with these files of the folder. */
    const refusedFor = (certFile: string, keyFile: string, message: RegExp) => {
      const files = ['--tls-cert', join(folder, certFile), '--tls-key', join(folder, keyFile)];
      return expectRefused(['--grpc-address', '127.0.0.1:0', ...files], {
        code: 'GPUB_TLS_FILE_REFUSED',
        message: expect.stringMatching(message),
      });
    };

    test.each([
      ['no such certificate', 'none.crt', 'tls.key', /^tls-cert: cannot use \/.*\/none\.crt: ENOENT/],
      ['a certificate that is none', 'garbage', 'tls.key', /^tls-cert: cannot use \/.*\/garbage: /],
      ['a chain with a broken link', 'broken-chain.crt', 'tls.key', /^tls-cert: cannot use \/.*\/broken-chain\.crt: /],
      ['no such key', 'tls.crt', 'none.key', /^tls-key: cannot use \/.*\/none\.key: ENOENT/],
      ['a key that is none', 'tls.crt', 'garbage', /^tls-key: cannot use \/.*\/garbage: /],
      [
        "another certificate's key",
        'tls.crt',
        'other.key',
        /other\.key: it is not the key of the certificate in \/.*tls\.crt$/,
      ],
    ])('%s', async (_what, certFile, keyFile, message) => {
      writeFileSync(join(folder, 'garbage'), 'nothing of the kind');
      const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
      writeFileSync(join(folder, 'broken-chain.crt'), readFileSync(cert, 'utf8') + broken);
      makeCertificate(join(folder, 'other.crt'), join(folder, 'other.key'));
      await refusedFor(certFile, keyFile, message);
    });
  });
});

describe('an address that cannot be had', () => {
  test('because another process listens there: GPUB_ADDRESS_IN_USE', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    await expectRefused(['--grpc-address', `127.0.0.1:${port}`], {
      code: 'GPUB_ADDRESS_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    other.close();
  });

  test('because it is another machine’s: refused with a code', async () => {
    const folder = newFolder();
    makeCertificate(join(folder, 'tls.crt'), join(folder, 'tls.key'));
    const tls = ['--tls-cert', join(folder, 'tls.crt'), '--tls-key', join(folder, 'tls.key')];
    await expectRefused(['--grpc-address', '192.0.2.1:50051', '--grpc-allow-writes', ...tls], {
      code: 'GPUB_ADDRESS_REFUSED',
    });
    rmSync(folder, { recursive: true, force: true });
  });
});

/** Starting fails with this error, and no socket stays behind. */
async function expectRefused(flags: string[], error: object): Promise<void> {
  const folder = newFolder();
  await expect(startCacheServer(flags, folder)).rejects.toMatchObject(error);
  expect(existsSync(join(folder, 'device.sock'))).toBe(false);
  rmSync(folder, { recursive: true, force: true });
}

function makeCertificate(cert: string, key: string): void {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...curve, ...subject, ...files], { stdio: 'ignore' });
}
