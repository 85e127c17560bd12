// The node of `gpubroker up` whose broker lost its data folder: the credential is forgotten, so that the node joins anew.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { hasJoined } from '../../src/up/join.ts';
import { silentLog } from '../fixtures/storage.ts';

/** A broker that answers every question about a node so. */
async function brokerThatSays(status: number) {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'a token' });
}

function agentWithCredential() {
  const agentFolder = mkdtempSync(join(tmpdir(), 'gpubroker-up-'));
  onTestFinished(() => rmSync(agentFolder, { recursive: true, force: true }));
  mkdirSync(join(agentFolder, 'broker'));
  const file = join(agentFolder, 'broker', 'credential.json');
  writeFileSync(file, JSON.stringify({ format: 1, nodeId: '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c' }));
  return { agentFolder, file };
}

test('a credential that the broker of this machine does not know is forgotten', async () => {
  const { agentFolder, file } = agentWithCredential();
  expect(await hasJoined({ agentFolder, log: silentLog }, await brokerThatSays(404))).toBe(false);
  expect(existsSync(file)).toBe(false);
});

test('one that it knows stays', async () => {
  const { agentFolder, file } = agentWithCredential();
  expect(await hasJoined({ agentFolder, log: silentLog }, await brokerThatSays(200))).toBe(true);
  expect(existsSync(file)).toBe(true);
});

test('without a clear answer it stays', async () => {
  const { agentFolder, file } = agentWithCredential();
  await expect(hasJoined({ agentFolder, log: silentLog }, await brokerThatSays(403))).rejects.toThrow();
  expect(existsSync(file)).toBe(true);
});
