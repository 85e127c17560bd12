// `gpus watch`: every change once, across restarts of the daemon.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchGpus } from '../../src/cli/gpus-watch.ts';
import { NodeClient } from '../../src/cli/node-client.ts';
import { gpu, h100, type NodeServer, startNodeServer } from './node-server.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let node: NodeServer;
let child: ChildProcess | undefined;

beforeEach(async () => {
  node = await startNodeServer();
});

afterEach(() => {
  child?.kill('SIGKILL');
  node.stop();
});

/** Starts a watch as a process; `next` waits for its next line. */
function watch(...flags: string[]) {
  const running = spawn(process.execPath, [main, 'gpus', 'watch', '--socket', node.socket, ...flags]);
  child = running;
  const lines = createInterface(running.stdout)[Symbol.asyncIterator]();
  const remarks = createInterface(running.stderr)[Symbol.asyncIterator]();
  const next = async (source = lines) => String((await source.next()).value);
  return { running, next, remark: () => next(remarks) };
}

async function watched(count: number): Promise<void> {
  while (node.watchedFrom.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('what is there, then every change, until Ctrl-C', async () => {
  node.put(gpu('gpu-a', 'Ready=True'));
  const { running, next } = watch();
  expect(await next()).toMatch(/^\d{4}-\S+Z {2}ADDED {5}gpu-a {2}healthy$/);
  await watched(1);
  node.put(gpu('gpu-a', 'Ready=False:Lost'));
  expect(await next()).toMatch(/MODIFIED {2}gpu-a {2}unhealthy {2}Lost$/);
  node.put(gpu('gpu-b', 'Ready=True'));
  expect(await next()).toMatch(/ADDED {5}gpu-b/);
  node.remove('gpu-a');
  expect(await next()).toMatch(/DELETED {3}gpu-a/);
  running.kill('SIGINT');
  const [code] = await once(running, 'exit');
  expect(code).toBe(0);
});

test('JSON, an object a line', async () => {
  node.put(gpu('gpu-a', 'Ready=True'));
  const { next } = watch('--json');
  expect(JSON.parse(await next())).toMatchObject({ type: 'ADDED', gpu: { name: 'gpu-a', health: 'healthy' } });
});

test("health is the daemon's judgement, as in the list, and no cause contradicts it", async () => {
  const record = { ...h100('gpu-a'), health: 'unhealthy' };
  node.devices.push(record);
  node.put(gpu('gpu-a', 'Ready=True', 'Overheated=True'));
  const { next } = watch();
  expect(await next()).toMatch(/ADDED {5}gpu-a {2}unhealthy {2}ConditionPolarity$/);
  await watched(1);
  record.health = 'healthy';
  node.put(gpu('gpu-a', 'Ready=True', 'Degraded=True:Slow'));
  expect(await next()).toMatch(/MODIFIED {2}gpu-a {2}healthy$/);
  node.devices.length = 0;
  node.remove('gpu-a');
  expect(await next()).toMatch(/DELETED {3}gpu-a {2}healthy$/);
});

test('after a disconnect it goes on from the last version, and shows nothing twice', async () => {
  node.put(gpu('gpu-a', 'Ready=True'));
  const { next, remark } = watch();
  await next();
  await watched(1);
  node.put(gpu('gpu-b', 'Ready=True'));
  await next();
  await node.restart();
  expect(await remark()).toMatch(/was lost; trying again in 250ms$/);
  await watched(2);
  expect(node.watchedFrom).toEqual(['1', '2']);
  node.put(gpu('gpu-c', 'Ready=True'));
  expect(await next()).toMatch(/ADDED {5}gpu-c/);
});

test('where the history is gone, the differences are shown', async () => {
  for (const name of ['gpu-a', 'gpu-b', 'gpu-c']) node.put(gpu(name, 'Ready=True'));
  const { next } = watch();
  for (let i = 0; i < 3; i++) await next();
  await watched(1);
  await node.restart();
  node.remove('gpu-a');
  node.put(gpu('gpu-b', 'Ready=False:Lost'));
  node.put(gpu('gpu-d', 'Ready=True'));
  node.oldest = node.version;
  const shown = [await next(), await next(), await next()].map((line) => line.replace(/^\S+ +/, ''));
  expect(shown).toEqual(['DELETED   gpu-a  healthy', 'MODIFIED  gpu-b  unhealthy  Lost', 'ADDED     gpu-d  healthy']);
  await watched(3);
  expect(node.watchedFrom).toEqual(['3', '3', '6']);
});

test('it ends when it is told to, also while waiting', async () => {
  const client = new NodeClient({ kind: 'socket', path: node.socket }, 1000);
  const stop = new AbortController();
  const ended = watchGpus(client, true, stop.signal);
  await watched(1);
  stop.abort();
  await ended;
  client.close();
});
