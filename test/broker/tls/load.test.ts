// TLS on a real socket: the broker's own certificate, given ones, their renewal, and certificates of clients.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { Server } from '@grpc/grpc-js';
import { pino } from 'pino';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { authorityFiles, ownCertificate } from '../../../src/broker/tls/authority.ts';
import { loadTls, type TlsOptions } from '../../../src/broker/tls/load.ts';

let folder: string;
let dataFolder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpubroker-tls-'));
  dataFolder = join(folder, 'data');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

async function serve(more: Partial<TlsOptions> = {}) {
  const log = pino({ level: 'silent' });
  const tls = await loadTls({ dataFolder, tlsCert: '', tlsKey: '', clientCa: '', log, now: () => new Date(), ...more });
  const server = new Server();
  const port = await new Promise<number>((bound, failed) => {
    server.bindAsync('127.0.0.1:0', tls.credentials, (error, port) => (error ? failed(error) : bound(port)));
  });
  onTestFinished(() => {
    tls.close();
    server.forceShutdown();
  });
  return { tls, port };
}

/** The serial number of the server's certificate, as a client sees it that trusts `ca`. */
async function serialSeen(port: number, ca: Buffer, client: { cert?: Buffer; key?: Buffer } = {}): Promise<string> {
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', ca, ALPNProtocols: ['h2'], ...client });
  try {
    await once(socket, 'secureConnect');
    // With TLS 1.3 a server refuses a client's certificate only after that.
    const closed = once(socket, 'close').then(() => Promise.reject(new Error('closed by the server')));
    await Promise.race([once(socket, 'data'), closed]);
    return socket.getPeerCertificate().serialNumber;
  } finally {
    socket.destroy();
  }
}

/** Another broker's files: an authority, and a certificate that it has signed. */
async function otherAuthority(name: string) {
  await ownCertificate(join(folder, name), ['localhost', '127.0.0.1'], new Date());
  return authorityFiles(join(folder, name));
}

test('its own certificate is trusted by who trusts ca.crt, and by nobody else', async () => {
  const { tls, port } = await serve();
  expect(tls.caFile).toBe(join(dataFolder, 'ca.crt'));
  expect(await serialSeen(port, readFileSync(join(dataFolder, 'ca.crt')))).toMatch(/^[0-9A-F]{32}$/);
  const other = await otherAuthority('other');
  await expect(serialSeen(port, readFileSync(other.caCert))).rejects.toThrow(/certificate/);
});

test('its own certificate is renewed while it serves', async () => {
  let now = new Date(Date.now() - 340 * 86_400_000);
  const { tls, port } = await serve({ now: () => now });
  const ca = readFileSync(join(dataFolder, 'ca.crt'));
  const first = await serialSeen(port, ca);
  now = new Date();
  await tls.look();
  expect(await serialSeen(port, ca)).not.toBe(first);
});

describe('given files', () => {
  test('are served, and loaded again when they change', async () => {
    const one = await otherAuthority('one');
    const two = await otherAuthority('two');
    const { tls, port } = await serve({ tlsCert: one.cert, tlsKey: one.key, lookEvery: 20 });
    expect(tls.caFile).toBeUndefined();
    const first = await serialSeen(port, readFileSync(one.caCert));
    const changed = new Promise((resolve) => tls.onChange(resolve));
    copyFileSync(two.key, one.key);
    copyFileSync(two.cert, one.cert);
    await changed;
    expect(await serialSeen(port, readFileSync(two.caCert))).not.toBe(first);
  });

  test('that become wrong are not loaded', async () => {
    const one = await otherAuthority('one');
    const { tls, port } = await serve({ tlsCert: one.cert, tlsKey: one.key });
    writeFileSync(one.cert, 'garbage');
    await tls.look();
    expect(await serialSeen(port, readFileSync(one.caCert))).toMatch(/./);
  });

  test('that are wrong from the start are named', async () => {
    const one = await otherAuthority('one');
    const two = await otherAuthority('two');
    const refused = (more: Partial<TlsOptions>, text: RegExp) =>
      expect(serve(more)).rejects.toMatchObject({
        code: 'GPUB_BROKER_TLS_FILE_REFUSED',
        message: expect.stringMatching(text),
      });
    await refused({ tlsCert: one.cert, tlsKey: two.key }, /^tls-key: .* not the key of/);
    await refused({ tlsCert: join(folder, 'none'), tlsKey: two.key }, /^tls-cert: .*ENOENT/);
    await refused({ clientCa: one.cert }, /^node-client-ca: .*not the certificate of an authority/);
  });
});

test('with an authority for clients, who shows no certificate of it is not let in', async () => {
  const nodes = await otherAuthority('nodes');
  const strangers = await otherAuthority('strangers');
  const { port } = await serve({ clientCa: nodes.caCert });
  const ca = readFileSync(join(dataFolder, 'ca.crt'));
  const seen = (files: typeof nodes) =>
    serialSeen(port, ca, { cert: readFileSync(files.cert), key: readFileSync(files.key) });
  await expect(serialSeen(port, ca)).rejects.toThrow();
  await expect(seen(strangers)).rejects.toThrow();
  // Its certificate is for servers, and TLS minds that.
  await expect(seen(nodes)).rejects.toThrow();
  expect(await seen(clientFiles(nodes))).toMatch(/./);
});

/** A certificate for a client, signed by the authority. */
function clientFiles(authority: ReturnType<typeof authorityFiles>) {
  const [cert, key, request] = ['client.crt', 'client.key', 'client.csr'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', ...curve, '-subj', '/CN=node-1', '-keyout', key, '-out', request);
  const signer = ['-CA', authority.caCert, '-CAkey', authority.caKey, '-CAcreateserial'];
  openssl('x509', '-req', '-in', request, '-days', '2', ...signer, '-out', cert);
  return { ...authority, cert, key };
}
