// A health monitor beside a real daemon: killed together with it, it is missed by the next daemon too.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';

const interval = 300;
const program = join(import.meta.dirname, '..', 'fixtures', 'beating-provider.ts');

let daemon: DaemonProcess | undefined;
afterEach(() => daemon?.remove());

/** Its own `--heartbeat-interval` is long, so that only the registration makes anybody missed. */
async function start(folder?: string): Promise<DaemonProcess> {
  const flags = ['--heartbeat-interval', '10m'];
  daemon = startDaemon({ command: 'cache-server', flags, ...(folder === undefined ? {} : { folder }) });
  await daemon.logged('serving the device API');
  return daemon;
}

async function startMonitor({ socket }: DaemonProcess) {
  const args = [program, socket, 'monitor', 'gpu-0', String(interval)];
  const monitor = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(monitor, 'exit');
  await once(monitor.stdout, 'data');
  return {
    kill: async () => {
      monitor.kill('SIGKILL');
      await ended;
    },
  };
}

const condition = async ({ client }: DaemonProcess) =>
  (await client.ok('GetGpu', { name: 'gpu-0' })).gpu.status.conditions[0];

test('a monitor that dies together with the daemon is missed by the next one', async () => {
  let running = await start();
  await running.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'gpu-0' } } });
  const monitor = await startMonitor(running);
  expect(await condition(running)).toMatchObject({ status: 'True' });
  await monitor.kill();
  // A disk that is slow for a moment makes the daemon go on in memory.
  await expect.poll(() => running.metrics(), { timeout: 10_000 }).toContain('state_file_missing_changes 0');
  await running.kill();
  running.client.close();
  running = await start(running.folder);
  const startedAt = performance.now();
  expect(await condition(running)).toMatchObject({ status: 'True' });
  await expect
    .poll(() => condition(running), { timeout: 10_000, interval: 20 })
    .toMatchObject({
      status: 'Unknown',
      reason: 'ProviderSilent',
      message: expect.stringMatching(/^monitor has been/),
    });
  expect(performance.now() - startedAt).toBeLessThan(3 * interval + 1_000);
  expect(await running.logged('a provider has gone silent; its conditions turn Unknown')).toMatchObject({
    provider: 'monitor',
  });
  // It starts again, and all is as it says.
  const again = await startMonitor(running);
  expect(await condition(running)).toMatchObject({ status: 'True', reason: 'Passed' });
  await again.kill();
});

test('a daemon that stood still itself calls nobody silent because of that', async () => {
  const running = await start();
  const { client } = running;
  await client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'gpu-0' } } });
  const monitor = await startMonitor(running);
  running.process.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 6 * interval));
  running.process.kill('SIGCONT');
  await new Promise((resolve) => setTimeout(resolve, 2 * interval));
  expect(await condition(running)).toMatchObject({ status: 'True' });
  const { providers } = await client.ok<{ providers: { state: string; timeouts: string }[] }>('ListProviders', {});
  expect(providers).toMatchObject([{ state: 'connected', timeouts: '0' }]);
  await monitor.kill();
});
