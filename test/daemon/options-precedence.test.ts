// A flag wins over the environment, the environment over the file, the file over the default.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentOptions } from '../../src/daemon/node-options.ts';
import { resolveOptions } from '../../src/daemon/options.ts';

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'options-'));
  file = join(folder, 'agent.yaml');
  writeFileSync(file, 'shutdown-delay: 4s\nhealthPort: 4004\nsocket-mode: 0600\nsources: [nvml, simulated]\n');
});

afterAll(() => rmSync(folder, { recursive: true }));

function resolve(argv: string[], environment: Record<string, string> = {}) {
  const { values, settings, warnings } = resolveOptions(agentOptions, { argv, environment });
  const source = (key: string) => settings.find((setting) => setting.key === key)?.source;
  return { values, source, warnings };
}

const all = { GPUBROKER_SHUTDOWN_DELAY: '2s', DEVICE_API_SHUTDOWN_DELAY: '3s' };

test('a flag comes first', () => {
  const { values, source } = resolve(['--shutdown-delay', '1s', '--config', file], all);
  expect(values.shutdownDelay).toBe(1000);
  expect(source('shutdown-delay')).toBe('flag --shutdown-delay');
});

test('then our variable', () => {
  const { values, source } = resolve(['--config', file], all);
  expect(values.shutdownDelay).toBe(2000);
  expect(source('shutdown-delay')).toBe('environment GPUBROKER_SHUTDOWN_DELAY');
});

test('then the variable that users of the device API know', () => {
  const { values, source } = resolve(['--config', file], { DEVICE_API_SHUTDOWN_DELAY: '3s' });
  expect(values.shutdownDelay).toBe(3000);
  expect(source('shutdown-delay')).toBe('environment DEVICE_API_SHUTDOWN_DELAY');
});

test('then the file, with keys in either case, lists, and values as they are written', () => {
  const { values, source } = resolve([`--config=${file}`]);
  expect(values).toMatchObject({
    shutdownDelay: 4000,
    healthPort: 4004,
    socketMode: 0o600,
    sources: ['nvml', 'simulated'],
  });
  expect(source('shutdown-delay')).toBe(`file ${file}`);
});

test('then the default', () => {
  const { values, source } = resolve([]);
  expect(values.shutdownDelay).toBe(5000);
  expect(source('shutdown-delay')).toBe('default');
});

test('the file itself may be named by the environment', () => {
  expect(resolve([], { GPUBROKER_CONFIG: file }).values.healthPort).toBe(4004);
});

test('the node name comes from NODE_NAME before the host name', () => {
  expect(resolve([], { NODE_NAME: 'node-7' }).values.nodeName).toBe('node-7');
  expect(resolve([], { NODE_NAME: 'node-7', GPUBROKER_NODE_NAME: 'node-8' }).values.nodeName).toBe('node-8');
  expect(resolve([]).values.nodeName).toBe(hostname());
});

test('an empty variable counts as unset, unless the option takes the empty text', () => {
  const { values } = resolve([], { GPUBROKER_HEALTH_PORT: '', NODE_NAME: '', GPUBROKER_GRPC_ADDRESS: '' });
  expect(values).toMatchObject({ healthPort: 8081, nodeName: hostname(), grpcAddress: '' });
});

test('a misspelt variable is only warned about', () => {
  const { warnings } = resolve([], { GPUBROKER_SHUTDOWN_DELY: '1s', GPUBROKER_SOCKET: '/x', OTHER: 'y' });
  expect(warnings).toEqual([
    'environment GPUBROKER_SHUTDOWN_DELY is no option of this daemon; did you mean GPUBROKER_SHUTDOWN_DELAY?',
  ]);
});

test('a switch is on by itself, and off or on by a value', () => {
  expect(resolve(['--grpc-allow-writes']).values.grpcAllowWrites).toBe(true);
  expect(resolve(['--grpc-allow-writes=false']).values.grpcAllowWrites).toBe(false);
  expect(resolve([], { GPUBROKER_GRPC_ALLOW_WRITES: 'true' }).values.grpcAllowWrites).toBe(true);
});

test('lists add up, over flags and commas', () => {
  const { values } = resolve([
    '--condition-polarity=Overheated=bad',
    '--condition-polarity',
    'Licensed=good,Idle=info',
  ]);
  expect([...values.conditionPolarity]).toEqual([
    ['Overheated', 'bad'],
    ['Licensed', 'good'],
    ['Idle', 'info'],
  ]);
});

test('lists of XIDs add up, and may be empty', () => {
  expect([...resolve([]).values.ignoredXids]).toEqual([13, 31, 43, 45, 68, 109]);
  const { values } = resolve(['--fatal-xids', '31,31', '--fatal-xids=500', '--ignored-xids', '']);
  expect([...values.fatalXids]).toEqual([31, 500]);
  expect([...values.ignoredXids]).toEqual([]);
});

test('GPUs are given compute devices by their names in any case', () => {
  const { values } = resolve(['--compute-devices', 'GPU-A=0, gpu-b=12', '--compute-devices=gpu-c=0']);
  expect([...values.computeDevices]).toEqual([
    ['gpu-a', 0],
    ['gpu-b', 12],
    ['gpu-c', 0],
  ]);
});

test('the values cannot be changed', () => {
  const { values } = resolve(['--sources', 'nvml']);
  expect(Object.isFrozen(values)).toBe(true);
  expect(Object.isFrozen(values.sources)).toBe(true);
});
