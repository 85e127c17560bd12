// What health rules find reaches the cache at once, is taken back when it is over, and survives a restart of the agent.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DeviceState, DeviceView } from '../../src/agent/devices/view.ts';
import { Gpus } from '../../src/agent/gpus.ts';
import { HealthBook } from '../../src/agent/health/health-book.ts';
import { consecutiveLooks } from '../../src/agent/health/recovery.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

const uuid = 'GPU-Aa';
const log = createLog({ daemon: 'test', node: 'node', level: 'error', format: 'json' }).log;
const clock = { now: 0 };

let server: RunningCacheServer;
let gpus: Gpus;
beforeEach(async () => {
  server = await startCacheServer();
  gpus = startAgent();
});
afterEach(async () => {
  gpus.stop();
  await server.remove();
});

function startAgent(rebooted = false): Gpus {
  const health = new HealthBook({
    quietPeriod: 60_000,
    probe: consecutiveLooks,
    clock: () => clock.now,
    xids: { ignored: new Set(), fatal: new Set() },
    onXid: () => undefined,
  });
  return new Gpus(server.cache, server.book, log, health, rebooted);
}

function look(state: DeviceState = 'ok', readings: object = {}): void {
  clock.now += 5_000;
  gpus.show(viewOf(state, readings));
}

function viewOf(state: DeviceState, readings: object): DeviceView {
  const record = { index: 0, uuid, vendor: 'nvidia' as const };
  const same = { uuid, condition: 'NVMLReady', source: 'nvml', record };
  return { ...same, state, message: state === 'ok' ? '' : 'why', readings: { timeMs: clock.now, ...readings } };
}

async function status() {
  const { gpu } = await server.client.ok('GetGpu', { name: uuid });
  return {
    version: gpu.metadata.resource_version,
    action: gpu.status.recommended_action,
    conditions: Object.fromEntries(
      gpu.status.conditions.map(({ type, status, reason, message }) => [type, `${status} ${reason}: ${message}`]),
    ),
  };
}

const none = { recoveryAction: 'none' };

test('an XID is a condition with reason, message and remedy, and goes with recovery', async () => {
  look('ok', none);
  gpus.take('nvml', { uuid, kind: 'xid', data: 79 });
  expect(await status()).toMatchObject({
    action: 'RebootNode',
    conditions: { Ready: 'True Answers: ', HardwareFailure: 'True Xid79: XID 79: GPU has fallen off the bus' },
  });
  look('driver-gone');
  for (let i = 0; i < 15; i += 1) look('ok', none);
  expect(await status()).toMatchObject({ action: '', conditions: { Ready: 'True Answers: ' } });
});

test('findings of one type are one condition: the most severe remedy gives the reason, the message has all', async () => {
  look('ok', none);
  for (const data of [48, 79, 92, 39]) gpus.take('nvml', { uuid, kind: 'xid', data });
  expect(await status()).toMatchObject({
    action: 'RebootNode',
    conditions: {
      HardwareFailure: 'True Xid79: XID 48: double-bit ECC error; XID 79: GPU has fallen off the bus',
      XidWarning: 'True Xid39: XID 92: high rate of single-bit ECC errors; XID 39: copy engine exception',
    },
  });
});

test('a look that says nothing new writes nothing', async () => {
  look('ok', none);
  gpus.take('nvml', { uuid, kind: 'xid', data: 48 });
  const { version } = await status();
  look('ok', none);
  gpus.take('nvml', { uuid, kind: 'xid', data: 48 });
  expect((await status()).version).toBe(version);
});

test('a passing error of the driver fails nothing', async () => {
  look('ok', none);
  look('failed');
  expect((await status()).conditions).toEqual({
    NVMLReady: 'Unknown DriverError: why',
    Ready: 'Unknown DriverError: why',
  });
  look('ok', none);
  expect((await status()).conditions).toEqual({ NVMLReady: 'True Answers: ', Ready: 'True Answers: ' });
});

test('a GPU that the driver shows no more, but the PCI bus does, is kept and has failed', async () => {
  look('ok', none);
  look('missing');
  gpus.keepUnshown(uuid);
  expect((await status()).conditions).toMatchObject({
    HardwareFailure: expect.stringMatching(/^True NotEnumerated/),
    Ready: expect.stringMatching(/^False NotEnumerated/),
  });
});

test.each([
  ['a restart of the agent heals nothing', false],
  ['a boot of the machine is a reset', true],
])('%s', async (_, rebooted) => {
  look();
  gpus.take('nvml', { uuid, kind: 'xid', data: 48 });
  await status();
  gpus.stop();
  gpus = startAgent(rebooted);
  for (let i = 0; i < 20; i += 1) look();
  expect('HardwareFailure' in (await status()).conditions).toBe(!rebooted);
});

test('what nobody saw since an earlier restart is still a failure', async () => {
  look();
  gpus.take('nvml', { uuid, kind: 'xid', data: 48 });
  const { gpu } = await server.client.ok('GetGpu', { name: uuid });
  expect(gpu.status.conditions).toHaveLength(3);
  const before = server.cache.peek().get(uuid)?.gpu;
  if (!before) throw new Error('the GPU is not there');
  const { rememberedOf } = await import('../../src/agent/conditions.ts');
  const expired = before.conditions.map((one) => ({
    ...one,
    status: 'Unknown' as const,
    reason: 'NotReconfirmed',
    message: `gpubroker-agent has not reported since the daemon restarted; before, ${one.type} was ${one.status}`,
  }));
  expect(rememberedOf({ ...before, conditions: expired })).toMatchObject([
    { type: 'HardwareFailure', reason: 'BeforeRestart', action: 'ResetGPU' },
  ]);
});
