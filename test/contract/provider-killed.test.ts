// A health monitor that is killed for real: its conditions turn Unknown within three of its intervals, seen by a watcher.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

const interval = 300;
const program = join(import.meta.dirname, '..', 'fixtures', 'beating-provider.ts');

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
  await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'gpu-0' } } });
});
afterEach(() => server.remove());

test.each(['heartbeats', 'writes'])('a monitor that beats by %s', async (how) => {
  const watching = server.client.watch('WatchGpus');
  const monitor = spawn(process.execPath, [program, server.socket, 'monitor', 'gpu-0', String(interval), how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(monitor, 'exit');
  try {
    await once(monitor.stdout, 'data');
    // It lives for longer than its silence may last: nothing happens.
    await new Promise((resolve) => setTimeout(resolve, 4 * interval));
    expect(watching.events.at(-1)?.object.status).toMatchObject({
      conditions: [{ type: 'DCGMHealth', status: 'True', reason: 'Passed' }],
      recommended_action: 'ReportIssue',
    });
    const seen = watching.events.length;
    const killedAt = performance.now();
    monitor.kill('SIGKILL');
    const events = await watching.until(seen + 1);
    const tookMs = performance.now() - killedAt;
    expect(events.at(-1)).toMatchObject({
      type: 'MODIFIED',
      object: {
        status: {
          conditions: [{ type: 'DCGMHealth', status: 'Unknown', reason: 'ProviderSilent' }],
          recommended_action: '',
        },
      },
    });
    // Its last beat was up to half an interval before its end; the rest is what a busy machine may add.
    expect(tookMs).toBeGreaterThan(2.4 * interval);
    expect(tookMs).toBeLessThan(3 * interval + 500);
  } finally {
    monitor.kill('SIGKILL');
    await ended;
    watching.cancel();
  }
});
