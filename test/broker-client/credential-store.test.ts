// The credential on disk: nobody else may read it, and a crash at any step of joining or rotating leaves one that works.
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CredentialFolder } from '../../src/broker-client/credential-store.ts';
import { newNodeFolder, removeNodeFolders } from '../fixtures/linked-node.ts';

afterEach(removeNodeFolders);

const expiresAt = new Date('2030-01-01');
const keysIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('key-'));

/** What a process that was killed now would find after its next start. */
function afterCrash(folder: string): CredentialFolder {
  const copy = newNodeFolder();
  cpSync(folder, copy, { recursive: true });
  return new CredentialFolder(copy);
}

test('folder and files are for this user alone', () => {
  const folder = newNodeFolder();
  chmodSync(folder, 0o755);
  const store = new CredentialFolder(folder);
  store.waitingKey();
  store.adopt('node-1', { id: 'c1', expiresAt });
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, keysIn(folder)[0] ?? ''), 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
});

test('the key is on disk before the broker hears of it, and the same after a crash', () => {
  const folder = newNodeFolder();
  const key = new CredentialFolder(folder).waitingKey();
  const again = afterCrash(folder);
  expect(again.current).toBeUndefined();
  expect(again.waitingKey().fingerprint).toBe(key.fingerprint);
});

test('a rotation that is cut at any step leaves the old key, or the new one with its credential', () => {
  const folder = newNodeFolder();
  const store = new CredentialFolder(folder);
  const old = store.adopt('node-1', { id: 'c1', expiresAt }).key;
  // The new key is on disk; whether the broker has heard of it is not known.
  const next = store.waitingKey();
  const waiting = afterCrash(folder);
  expect(waiting.current).toMatchObject({ credentialId: 'c1', key: { fingerprint: old.fingerprint } });
  expect(waiting.waitingKey().fingerprint).toBe(next.fingerprint);
  // The credential of the new key was being written.
  writeFileSync(join(folder, 'credential.json.new'), '{"format":1,"nod');
  expect(afterCrash(folder).current?.credentialId).toBe('c1');
  // The credential is in place; the old key is still there.
  const oldKey = readFileSync(join(folder, `key-${old.fingerprint}.pem`));
  store.adopt('node-1', { id: 'c2', expiresAt });
  writeFileSync(join(folder, `key-${old.fingerprint}.pem`), oldKey);
  const adopted = afterCrash(folder);
  expect(adopted.current).toMatchObject({ credentialId: 'c2', key: { fingerprint: next.fingerprint } });
  // The old one must not come back as the next.
  expect([old.fingerprint, next.fingerprint]).not.toContain(adopted.waitingKey().fingerprint);
});

test('after a rotation only the new key is left', () => {
  const folder = newNodeFolder();
  const store = new CredentialFolder(folder);
  store.adopt('node-1', { id: 'c1', expiresAt });
  const key = store.waitingKey();
  store.adopt('node-1', { id: 'c2', expiresAt });
  expect(keysIn(folder)).toEqual([`key-${key.fingerprint}.pem`]);
  expect(new CredentialFolder(folder).current).toMatchObject({ nodeId: 'node-1', credentialId: 'c2' });
});

test('a credential that cannot be kept is not used', () => {
  const folder = newNodeFolder();
  const store = new CredentialFolder(folder);
  const { key } = store.adopt('node-1', { id: 'c1', expiresAt });
  store.waitingKey();
  // A folder in its place: the file cannot be written, whoever this is.
  mkdirSync(join(folder, 'credential.json.new'));
  expect(() => store.adopt('node-1', { id: 'c2', expiresAt })).toThrow(/credential\.json cannot be used/);
  expect(store.current).toMatchObject({ credentialId: 'c1', key: { fingerprint: key.fingerprint } });
});

test.each([
  ['credential.json', 'rubbish', 'is not valid JSON'],
  ['credential.json', '{"format":2}', 'it is not a credential of format 1'],
  ['key', 'rubbish', ''],
])('a damaged file is named with what to do: %s with %s', (name, text, reason) => {
  const folder = newNodeFolder();
  new CredentialFolder(folder).adopt('node-1', { id: 'c1', expiresAt });
  const path = join(folder, name === 'key' ? (keysIn(folder)[0] ?? '') : name);
  writeFileSync(path, text);
  expect(() => new CredentialFolder(folder)).toThrow(
    expect.objectContaining({ code: 'GPUB_CREDENTIAL_UNUSABLE', message: expect.stringContaining(path) }),
  );
  expect(() => new CredentialFolder(folder)).toThrow(reason);
});
