// `simulate`: faults of simulated GPUs while a real agent runs, and what that agent then says of them.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { command } from './command.ts';
import { startNodeServer } from './node-server.ts';

let agent: DaemonProcess;
let faultsFile: string;
/** In the order of their indices. */
let uuids: string[];

const simulate = (...argv: string[]) => command('simulate', ...argv, '--socket', agent.socket);
const ready = async (uuid: string) => {
  const { gpu } = await agent.client.ok('GetGpu', { name: uuid });
  return gpu.status.conditions.find(({ type }) => type === 'Ready')?.reason;
};
/** The value of a metric of one GPU; undefined where there is none. */
const metric = async (name: string, uuid: string) => {
  const line = new RegExp(`^${name}\\{uuid="${uuid}".*\\} (\\S+)$`, 'mi').exec(await agent.metrics());
  return line ? Number(line[1]) : undefined;
};
const soon = { timeout: 10_000, interval: 50 };

beforeAll(async () => {
  const often = ['--probe-interval', '100ms', '--telemetry-interval', '100ms', '--probe-deadline', '1s'];
  // With what is said of health by default, a GPU that failed would be watched for five minutes.
  often.push('--health-quiet-period', '0s');
  agent = startDaemon({ flags: ['--sources', 'simulated', '--simulate', 'dgx-h100', '--node-name', 'n1', ...often] });
  faultsFile = join(agent.folder, 'data', 'faults.json');
  await vi.waitFor(async () => expect((await agent.health('/readyz')).status).toBe(200), soon);
  const { devices } = await agent.client.ok<{ devices: { uuid: string; index: number }[] }>('ListDevices', {});
  uuids = devices.sort((a, b) => a.index - b.index).map(({ uuid }) => uuid.toLowerCase());
});
afterEach(async () => {
  if (agent.process.exitCode !== null) throw new Error(agent.output.join('\n'));
  await simulate('clear');
  await vi.waitFor(async () => {
    for (const uuid of uuids) expect(await ready(uuid)).toBe('Answers');
  }, soon);
});
afterAll(() => agent.remove());

test('a GPU that is lost with an XID is shown so, and is well again when that is taken back', async () => {
  const [uuid = ''] = uuids;
  const given = await simulate('fault', '--gpu', '0', '--xid', '79', '--lost');
  expect(given).toEqual({ code: 0, stdout: `${uuid}: lost\n`, stderr: '' });
  await expect.poll(() => ready(uuid), soon).toBe('GpuLost');
  await expect.poll(() => metric('DCGM_FI_DEV_XID_ERRORS', uuid), soon).toBe(79);
  expect(await metric('DCGM_FI_DEV_GPU_TEMP', uuid)).toBeUndefined();
  expect((await simulate('clear', '--gpu', '0')).stdout).toBe(`${uuid}: no faults\n`);
  await expect.poll(() => ready(uuid), soon).toBe('Answers');
});

test('what a driver counts and says reaches the metrics', async () => {
  const [, uuid = ''] = uuids;
  const before = (await metric('DCGM_FI_DEV_ECC_SBE_AGG_TOTAL', uuid)) ?? 0;
  const flags = {
    '--ecc-corrected': '7',
    '--ecc-uncorrected': '2',
    '--remapped-rows': '1',
    '--retired-pages': '3',
    '--temperature': '91',
    '--memory-temperature': '99',
    '--throttle': 'hardware-thermal',
    '--nvlink-errors': '4',
    '--pcie-replays': '5000',
    '--recovery-action': 'drain-and-reset',
  };
  const argv = Object.entries(flags).flat();
  await simulate('fault', '--gpu', uuid, ...argv, '--remap-pending', '--remap-failed', '--retired-pending');
  const expected = {
    ECC_DBE_VOL_TOTAL: 2,
    ECC_SBE_AGG_TOTAL: before + 7,
    UNCORRECTABLE_REMAPPED_ROWS: 1,
    ROW_REMAP_PENDING: 1,
    ROW_REMAP_FAILURE: 1,
    RETIRED_DBE: 3,
    RETIRED_PENDING: 1,
    GPU_TEMP: 91,
    MEMORY_TEMP: 99,
    CLOCKS_EVENT_REASONS: 0x40,
    NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: 4,
    GET_GPU_RECOVERY_ACTION: 4,
  };
  await vi.waitFor(async () => {
    const names = Object.keys(expected);
    const found = await Promise.all(names.map((name) => metric(`DCGM_FI_DEV_${name}`, uuid)));
    expect(Object.fromEntries(names.map((name, place) => [name, found[place]]))).toEqual(expected);
  }, soon);
  expect(await metric('DCGM_FI_DEV_PCIE_REPLAY_COUNTER', uuid)).toBeGreaterThan(5_000);
  await vi.waitFor(() => {
    const events = agent.log.filter(({ msg, uuid: of }) => msg === 'the driver reports an event' && of !== undefined);
    expect(events.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['single-bit-ecc', 'double-bit-ecc', 'recovery-action']),
    );
  }, soon);
});

test('links that are down reach the record', async () => {
  const [, , uuid = ''] = uuids;
  await simulate('fault', '--gpu', '2', '--nvlink-down', '0,3');
  await vi.waitFor(async () => {
    const { device } = await agent.client.ok<{ device: { nvlinks: { link: number; active: boolean }[] } }>(
      'GetDevice',
      { name: uuid },
    );
    expect(device.nvlinks.filter(({ active }) => !active).map(({ link }) => link)).toEqual([0, 3]);
  }, soon);
});

test.each([
  ['--reset-required', 'ResetRequired'],
  ['--failed=no power', 'DriverError'],
  ['--hang', 'DriverHung'],
])('%s is %s', async (flag, reason) => {
  const uuid = uuids[3] ?? '';
  await simulate('fault', '--gpu', '3', flag);
  await expect.poll(() => ready(uuid), soon).toBe(reason);
});

test.each([['--xid', '79'], ['--ecc-uncorrected', '1'], ['--remap-failed'], ['--recovery-action', 'reset']])(
  '%s %s makes a GPU unhealthy until it is reset',
  async (...argv) => {
    const uuid = uuids[5] ?? '';
    const health = async () =>
      (await agent.client.ok<{ device: { health: string } }>('GetDevice', { name: uuid })).device.health;
    expect(await health()).toBe('healthy');
    await simulate('fault', '--gpu', '5', ...argv);
    await expect.poll(health, soon).toBe('unhealthy');
    await simulate('clear', '--gpu', '5');
    await expect.poll(health, soon).toBe('healthy');
  },
);

test('a GPU that was removed comes back by its whole UUID', async () => {
  const uuid = uuids[7] ?? '';
  await simulate('fault', '--gpu', '7', '--removed');
  await vi.waitFor(
    async () => expect(await agent.client.call('GetGpu', { name: uuid })).not.toHaveProperty('ok'),
    soon,
  );
  expect((await simulate('list')).stdout).toContain(`${uuid}  removed`);
  await simulate('clear', '--gpu', uuid);
  await vi.waitFor(async () => expect(await ready(uuid)).toBe('Answers'), soon);
});

test('faults of one GPU come together, and counts add up', async () => {
  const [uuid = '', other = ''] = uuids;
  await simulate('fault', '--gpu', '0', '--ecc-uncorrected', '1', '--remap-pending');
  await simulate('fault', '--gpu', '0', '--ecc-uncorrected', '2', '--remap-failed');
  await simulate('fault', '--gpu', '1', '--temperature', '90');
  const { stdout } = await simulate('list');
  expect(stdout).toContain(`${uuid}  ecc uncorrected 3, remappedRows pending, remappedRows failed`);
  expect(stdout).toContain(`${other}  temperatureCelsius 90`);
  const { file, faults } = JSON.parse((await simulate('list', '--json')).stdout);
  expect(file).toBe(faultsFile);
  expect(faults[uuid]).toMatchObject({ ecc: { uncorrected: 3 }, remappedRows: { pending: true, failed: true } });
  expect((await simulate('clear')).code).toBe(0);
  expect((await simulate('list')).stderr).toBe('No simulated GPU has a fault.\n');
});

test('many commands at once lose nothing', async () => {
  const run = (place: number) =>
    startCommand('simulate', 'fault', '--gpu', '0', '--xid', String(100 + place), '--ecc-corrected', '1');
  expect(await Promise.all(Array.from({ length: 6 }, (_, place) => run(place)))).toEqual([0, 0, 0, 0, 0, 0]);
  const { faults } = JSON.parse((await simulate('list', '--json')).stdout);
  expect(faults[uuids[0] ?? '']).toMatchObject({ ecc: { corrected: 6 } });
  expect(faults.events.filter(({ xid = 0 }: { xid?: number }) => xid >= 100)).toHaveLength(6);
});

test.each([
  [['--xid', '79'], "required option '--gpu <gpu>' not specified"],
  [['--gpu', '0'], 'name at least one fault'],
  [['--gpu', '0', '--gpu-instance', '1', '--lost'], '--gpu-instance only goes with --xid'],
  [['--gpu', '0', '--xid', 'x'], 'Give a whole number from 0 on.'],
  [['--gpu', '0', '--throttle', 'fun'], 'Allowed choices are idle, applications-clocks'],
  [['--gpu', '99', '--lost'], 'no GPU is named 99'],
  [['--gpu', '51', '--lost'], '51 is how 8 UUIDs begin'],
])('%j is refused', async (argv, message) => {
  const { code, stderr } = await simulate('fault', ...argv);
  expect(code).not.toBe(0);
  expect(stderr).toContain(message);
  expect((await simulate('list')).stderr).toBe('No simulated GPU has a fault.\n');
});

test('a file that is garbled is left as it is', async () => {
  writeFileSync(faultsFile, '{ "0": ');
  const { code, stderr } = await simulate('fault', '--gpu', '0', '--lost');
  expect(code).not.toBe(0);
  expect(stderr).toContain('GPUB_FAULTS_FILE');
  expect(readFileSync(faultsFile, 'utf8')).toBe('{ "0": ');
  expect(existsSync(`${faultsFile}.new`)).toBe(false);
  rmSync(faultsFile);
});

test('a daemon without simulated GPUs is left alone, and so is one that may be far away', async () => {
  const node = await startNodeServer();
  try {
    const refused = await command('simulate', 'fault', '--gpu', '0', '--lost', '--socket', node.socket);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('agent on node-1 has no simulated GPUs');
    const far = await command('simulate', 'list', '--address', '127.0.0.1:1');
    expect(far.stderr).toContain('use the socket there');
  } finally {
    node.stop();
  }
});

/** As a process, so that several run at a time; resolves to its exit code. */
function startCommand(...argv: string[]): Promise<number | null> {
  const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
  const child = spawn(process.execPath, [main, ...argv, '--socket', agent.socket], { stdio: 'ignore' });
  return new Promise((resolve) => child.once('exit', resolve));
}
