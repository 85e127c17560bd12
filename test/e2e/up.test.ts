// `gpubroker up` on a machine without a GPU, and the command line against it.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { untilReady } from '../fixtures/agent.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { createFakeDriver } from '../fixtures/nvml/fake-driver.ts';

const launcher = join(import.meta.dirname, '..', '..', 'bin', 'gpubroker');
const noDriver = [
  '--broker=false',
  '--nvml-library',
  '/nonexistent/libnvidia-ml.so.1',
  '--driver-root',
  '/nonexistent',
];

let daemon: DaemonProcess;
beforeAll(async () => {
  daemon = startDaemon({ command: 'up', flags: noDriver });
  await untilReady(daemon);
});
afterAll(() => daemon.remove());

function gpubroker(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(launcher, [...args, '--socket', daemon.socket], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

test('says in plain words that its GPUs are simulated', () => {
  const said = daemon.log.find(({ msg }) => String(msg).includes('SIMULATED'));
  expect(said?.level).toBe('warn');
  expect(String(said?.msg)).toContain('No GPU was found on this machine');
  expect(String(said?.reasons)).toContain('/nonexistent/libnvidia-ml.so.1');
});

test('never calls a simulated GPU NVMLReady, and says where each comes from', async () => {
  const list = await daemon.client.ok<{ gpu_list: { items: { status: { conditions: { type: string }[] } }[] } }>(
    'ListGpus',
    {},
  );
  expect(list.gpu_list.items).toHaveLength(8);
  for (const { status } of list.gpu_list.items) {
    expect(status.conditions.map(({ type }) => type)).toEqual(['Ready', 'SimulatedReady']);
  }
  const { devices } = await daemon.client.ok<{ devices: { source: string }[] }>('ListDevices', {});
  expect(devices.map(({ source }) => source)).toEqual(new Array(8).fill('simulated'));
});

test('with a GPU it serves that, and simulates nothing', async () => {
  const driver = createFakeDriver({ gpus: 2 });
  const real = startDaemon({
    command: 'up',
    flags: ['--broker=false', '--nvml-library', driver.libraryPath],
    env: driver.env,
  });
  try {
    await untilReady(real);
    const { devices } = await real.client.ok<{ devices: { source: string }[] }>('ListDevices', {});
    expect(devices.map(({ source }) => source)).toEqual(['nvml', 'nvml']);
  } finally {
    await real.remove();
    driver.remove();
  }
});

describe('the command line', () => {
  test('gpus list shows a table for people, and --json for programs', async () => {
    const table = await gpubroker('gpus', 'list');
    expect(table.code).toBe(0);
    expect(table.stdout.trim().split('\n')).toHaveLength(9);
    expect(table.stdout).toContain('NVIDIA H100 80GB HBM3');
    const json = await gpubroker('gpus', 'list', '--json');
    expect((JSON.parse(json.stdout) as { gpus: unknown[] }).gpus).toHaveLength(8);
  });

  test('gpus get, describe: one GPU, in any case; exit code 3 for one that is not there', async () => {
    const { stdout } = await gpubroker('gpus', 'list', '--json');
    const [first] = (JSON.parse(stdout) as { gpus: { name: string }[] }).gpus;
    expect((await gpubroker('gpus', 'get', String(first?.name).toUpperCase())).code).toBe(0);
    expect((await gpubroker('gpus', 'describe', String(first?.name))).stdout).toContain('NVLink');
    const missing = await gpubroker('gpus', 'get', 'gpu-none');
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('gpu-none');
  });

  test('status says what runs and that it is ready', async () => {
    const { code, stdout } = await gpubroker('status');
    expect(code).toBe(0);
    expect(stdout).toContain('simulated');
    expect(stdout).toMatch(/Ready +yes/);
  });

  test('log-level changes the log of the running daemon', async () => {
    expect((await gpubroker('log-level', 'debug')).code).toBe(0);
    await daemon.client.call('GetGpu', { name: 'gpu-none' });
    await expect
      .poll(() =>
        daemon.log.some(({ msg, method, gpu }) => msg === 'call' && method === 'GetGpu' && gpu === 'gpu-none'),
      )
      .toBe(true);
    expect((await gpubroker('log-level', 'info')).code).toBe(0);
  });
});
