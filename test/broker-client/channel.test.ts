// A broker reached by an IP address: no name is sent, which TLS has none for, and the certificate is checked all the same.
import { mkdtempSync, rmSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { authorityFiles, ownCertificate } from '../../src/broker/tls/authority.ts';
import { brokerChannel } from '../../src/broker-client/channel.ts';
import { NodeLinkClient } from '../../src/wire/gpubroker/node/v1/node_link.ts';

/** A server whose certificate names 127.0.0.1 and not 127.0.0.2; `reach` fails where the client does not trust it. */
async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), 'gpb-channel-'));
  const { cert, key } = await ownCertificate(folder, ['127.0.0.1'], new Date());
  const server = createSecureServer({ cert, key });
  const names: unknown[] = [];
  server.on('secureConnection', (socket: TLSSocket) => names.push(socket.servername));
  server.on('sessionError', () => undefined);
  await new Promise<void>((listening) => server.listen(0, '0.0.0.0', listening));
  onTestFinished(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const { port } = server.address() as AddressInfo;
  const reach = async (host: string) => {
    const files = { ca: authorityFiles(folder).caCert, clientCert: '', clientKey: '' };
    const { address, credentials, options } = brokerChannel(`https://${host}:${port}`, files);
    const client = new NodeLinkClient(address, credentials, options);
    try {
      await new Promise<void>((resolve, reject) => {
        client.waitForReady(Date.now() + 1_000, (error) => (error ? reject(error) : resolve()));
      });
    } finally {
      client.close();
    }
  };
  return { reach, names };
}

test('no name is sent for an address, and Node.js has nothing to warn of', async () => {
  const { reach, names } = await startServer();
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  onTestFinished(() => void process.off('warning', warned));
  await reach('127.0.0.1');
  await new Promise((turn) => setImmediate(turn));
  expect({ names, warnings }).toEqual({ names: [false], warnings: [] });
});

test('a certificate for another address is refused', async () => {
  const { reach } = await startServer();
  await expect(reach('127.0.0.2')).rejects.toThrow();
});
