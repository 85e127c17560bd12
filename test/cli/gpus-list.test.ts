// `gpus list` and `gpus get`: a line a GPU for people, everything as JSON for programs.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { command } from './command.ts';
import { gpu, h100, type NodeServer, startNodeServer } from './node-server.ts';

let node: NodeServer;

beforeAll(async () => {
  node = await startNodeServer();
});

afterAll(() => node.stop());

beforeEach(() => {
  node.gpus.clear();
  node.devices.length = 0;
});

test('a line a GPU, with the reason where it is not healthy', async () => {
  node.put(gpu('gpu-a', 'Ready=True'));
  node.put(gpu('gpu-b', 'Ready=True', 'NVMLReady=False:XidError'));
  node.put(gpu('gpu-c', 'NVMLReady=True'));
  node.put(gpu('gpu-d', 'Ready=Unknown'));
  node.devices.push(h100('gpu-a'));
  const { code, stdout } = await command('gpus', 'list', '--socket', node.socket);
  expect(code).toBe(0);
  expect(stdout).toBe(
    [
      'NAME   MODEL                  HEALTH     UTIL  MEMORY        TEMP  POWER      REASON',
      'gpu-a  NVIDIA H100 80GB HBM3  healthy    37%   1.5/80.0 GiB  45 C  312/700 W  -',
      'gpu-b  -                      unhealthy  -     -             -     -          XidError',
      'gpu-c  -                      unknown    -     -             -     -          NoReadyCondition',
      'gpu-d  -                      unknown    -     -             -     -          Ready=Unknown',
      '',
    ].join('\n'),
  );
});

test('JSON has everything, with exact numbers', async () => {
  node.version = 2n ** 60n;
  node.put(gpu('gpu-a', 'Ready=False:Lost'));
  node.devices.push(h100('gpu-a'));
  const { stdout } = await command('gpus', 'list', '--json', '--socket', node.socket);
  expect(JSON.parse(stdout)).toMatchObject({
    resourceVersion: '1152921504606846977',
    gpus: [
      {
        name: 'gpu-a',
        uuid: 'GPU-A',
        resourceVersion: '1152921504606846977',
        health: 'unhealthy',
        cause: { type: 'Ready', reason: 'Lost' },
        device: { memory: { totalBytes: 85_899_345_920 }, processes: [{ pid: 4711, kind: 'compute' }] },
      },
    ],
  });
  node.version = 0n;
});

test('a node without GPUs says so beside the output', async () => {
  const { code, stdout, stderr } = await command('gpus', 'list', '--socket', node.socket);
  expect([code, stdout]).toEqual([0, '']);
  expect(stderr).toContain('This node has no GPU');
});

test('one GPU, by name in any case', async () => {
  node.put(gpu('gpu-a', 'Ready=True'));
  const { stdout } = await command('gpus', 'get', 'GPU-A', '--socket', node.socket);
  expect(stdout.split('\n')[1]).toMatch(/^gpu-a .* healthy /);
  const json = await command('gpus', 'get', 'gpu-a', '--json', '--socket', node.socket);
  expect(JSON.parse(json.stdout)).toMatchObject({ name: 'gpu-a', health: 'healthy' });
});

test("a daemon that speaks NVIDIA's device API only is enough", async () => {
  const plain = await startNodeServer({ withDetails: false });
  plain.put(gpu('gpu-a', 'Ready=True'));
  expect((await command('gpus', 'list', '--socket', plain.socket)).stdout).toContain('gpu-a  -      healthy');
  expect((await command('gpus', 'get', 'gpu-a', '--socket', plain.socket)).code).toBe(0);
  plain.stop();
});
