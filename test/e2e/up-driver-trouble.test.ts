// `gpubroker up` on a machine whose driver or GPU is in trouble: it never hangs, and never calls a real GPU none.
import { afterEach, expect, test } from 'vitest';
import { untilReady } from '../fixtures/agent.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { createFakeDriver, type FakeDriver, type FakeState } from '../fixtures/nvml/fake-driver.ts';

let driver: FakeDriver | undefined;
let daemon: DaemonProcess | undefined;
afterEach(async () => {
  await daemon?.remove();
  driver?.remove();
});

function up(change: (state: FakeState) => void, flags: string[] = []): DaemonProcess {
  driver = createFakeDriver({ gpus: 1 });
  driver.update(change);
  const quick = ['--probe-interval', '200ms', '--probe-deadline', '1s'];
  daemon = startDaemon({
    command: 'up',
    flags: ['--broker=false', '--nvml-library', driver.libraryPath, ...quick, ...flags],
    env: driver.env,
  });
  return daemon;
}

async function sources(running: DaemonProcess): Promise<string[]> {
  const { devices } = await running.client.ok<{ devices: { source: string }[] }>('ListDevices', {});
  return [...new Set(devices.map(({ source }) => source))];
}

const simulated = (running: DaemonProcess) => running.log.find(({ msg }) => String(msg).includes('SIMULATED'));

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends the look for GPUs, though the driver hangs', async (signal) => {
  const running = up((state) => {
    state.hangs = { nvmlInit_v2: { '*': true } };
  });
  await running.logged('serving the device API');
  await new Promise((resolve) => setTimeout(resolve, 500));
  const sent = performance.now();
  running.process.kill(signal);
  expect(await running.exited).toBe(0);
  expect(performance.now() - sent).toBeLessThan(2_000);
});

test('a driver that hangs is given up after its deadline', async () => {
  const hang = (state: FakeState) => {
    state.hangs = { nvmlInit_v2: { '*': true } };
  };
  const running = up(hang, ['--probe-init-deadline', '1s']);
  await untilReady(running);
  expect(String(simulated(running)?.reasons)).toContain('open did not return within 1 s');
  expect(await sources(running)).toEqual(['simulated']);
});

test('a driver that kills every probe is given up soon, and that is said', async () => {
  const running = up((state) => {
    state.crashes = { nvmlInit_v2: { '*': true } };
  });
  await untilReady(running);
  expect(String(simulated(running)?.reasons)).toContain('dies again and again in open (signal SIGSEGV)');
  expect(await sources(running)).toEqual(['simulated']);
});

test.each([
  ['is lost', (state: FakeState) => Object.assign(state.gpus[0] ?? {}, { lost: true })],
  ['hangs', (state: FakeState) => Object.assign(state.hangs, { nvmlDeviceGetTemperature: { 0: true } })],
  ['kills every probe', (state: FakeState) => Object.assign(state.crashes, { nvmlDeviceGetTemperature: { 0: true } })],
])('a machine whose only GPU %s gets no simulated ones', async (_, trouble) => {
  const running = up(trouble);
  await running.logged('started');
  await expect
    .poll(async () => (await running.health('/readyz')).body, { timeout: 10_000 })
    .toContain('device 0 cannot be identified');
  expect(simulated(running)).toBeUndefined();
  driver?.update((state) => {
    Object.assign(state.gpus[0] ?? {}, { lost: false });
    Object.assign(state, { hangs: {}, crashes: {} });
  });
  await untilReady(running);
  expect(await sources(running)).toEqual(['nvml']);
});
