// The container that prepares the folders on the node, its very command, with no more than its capabilities.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { testWith } from '../capabilities.ts';
import type { Values } from '../fixtures/helm.ts';
import { containerOf, podOf } from './pod.ts';

const [agent, group] = [65_532, 65_532];
let node: string;
beforeEach(() => {
  node = mkdtempSync(join(tmpdir(), 'gpubroker-folders-'));
});
afterEach(() => rmSync(node, { recursive: true }));

const socketFolder = () => join(node, 'var/run/device-api');
const dataFolder = () => join(node, 'var/lib/gpubroker');

/** Runs the container on a node whose root is a folder of the test. */
function prepare(values: Values = {}): void {
  const { command = [], args = [], securityContext } = containerOf(podOf(values), 'folders');
  const onNode = args.map((argument) => (/^\/var\//.test(argument) ? join(node, argument) : argument));
  const capabilities = (securityContext?.capabilities?.add ?? []).map((name) => `,+${name.toLowerCase()}`).join('');
  const limits = [`--bounding-set=-all${capabilities}`, '--inh-caps=-all', '--no-new-privs'];
  execFileSync('setpriv', [...limits, ...command, ...onNode], { timeout: 10_000 });
}

function ownerOf(path: string): [number, number, string] {
  const { uid, gid, mode } = statSync(path);
  return [uid, gid, (mode & 0o777).toString(8)];
}

/** As the kubelet makes them. */
function makeFolders(): void {
  for (const folder of [socketFolder(), dataFolder()]) mkdirSync(folder, { recursive: true, mode: 0o700 });
}

testWith('root')('new folders become the agent’s', () => {
  makeFolders();
  prepare();
  expect(ownerOf(socketFolder())).toEqual([agent, group, '755']);
  expect(ownerOf(dataFolder())).toEqual([agent, group, '755']);
});

testWith('root')('folders of an agent that ran as another user change hands, its secrets too', () => {
  makeFolders();
  const secrets = join(dataFolder(), 'broker');
  mkdirSync(secrets, { mode: 0o700 });
  writeFileSync(join(secrets, 'key.pem'), 'key', { mode: 0o600 });
  for (const path of [socketFolder(), dataFolder(), secrets, join(secrets, 'key.pem')]) chownSync(path, 1000, 1000);
  prepare();
  expect(ownerOf(socketFolder())).toEqual([agent, group, '755']);
  expect(ownerOf(secrets)).toEqual([agent, group, '700']);
  expect(ownerOf(join(secrets, 'key.pem'))).toEqual([agent, group, '600']);
});

testWith('root')('an agent that is root finds them its own', () => {
  makeFolders();
  chmodSync(dataFolder(), 0o755);
  chownSync(dataFolder(), agent, group);
  prepare({ podResources: { enabled: true } });
  expect(ownerOf(dataFolder())).toEqual([0, group, '755']);
});
