// Providers that register, beat, go silent and come back, over the real socket.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import type { Outcome, WireCondition } from '../fixtures/node-client.ts';

/** Short enough for a test, long enough for a busy machine. */
const interval = 300;

interface WireProvider {
  id: string;
  state: string;
  condition_types: string[];
  heartbeat_interval_millis: number;
  last_heartbeat: { seconds: string } | null;
  heartbeats: string;
  timeouts: string;
  gpus: number;
}

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
  for (const name of ['gpu-0', 'gpu-1']) await create(name);
});
afterEach(() => server.remove());

const create = (name: string) => server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
const register = (id: string | undefined, types: string[] = [], millis = interval) =>
  server.client.call<{ report_again: boolean }>(
    'Register',
    { condition_types: types, heartbeat_interval_millis: millis },
    id,
  );
const beat = (id: string | undefined) => server.client.call<{ report_again: boolean }>('Heartbeat', {}, id);
const report = (id: string, name: string, conditions: Record<string, string>, recommended_action = '') => {
  const reported = Object.entries(conditions).map(([type, status]) => ({ type, status }));
  return server.client.call('UpdateGpuStatus', { name, status: { conditions: reported, recommended_action } }, id);
};
const statusOf = async (name: string) => (await server.client.ok('GetGpu', { name })).gpu.status;
async function conditionOf(name: string, type: string): Promise<WireCondition | undefined> {
  return (await statusOf(name)).conditions.find((one) => one.type === type);
}
async function providers(): Promise<WireProvider[]> {
  return (await server.client.ok<{ providers: WireProvider[] }>('ListProviders', {})).providers;
}
const stateOf = async (id: string) => (await providers()).find((one) => one.id === id)?.state;
const untilSilent = (id: string) => expect.poll(() => stateOf(id), { timeout: 5_000 }).toBe('silent');
/** Beats until the test has finished. */
function keepBeating(id: string): () => void {
  const timer = setInterval(() => void beat(id), interval / 2);
  return () => clearInterval(timer);
}

describe('a registered provider that goes silent', () => {
  test('has its conditions turned Unknown after three intervals, with the reason and what they were', async () => {
    await register('dcgm', ['DCGMHealth']);
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True', Degraded: 'True' }, 'RebootNode');
    await report('other', 'gpu-0', { Ready: 'True' }, 'RestartApp');
    const reportedAt = Date.now();
    await untilSilent('dcgm');
    expect(Date.now() - reportedAt).toBeGreaterThan(2.5 * interval);
    await vi.waitFor(async () => expect((await conditionOf('gpu-0', 'Degraded'))?.status).toBe('Unknown'));
    const { conditions, recommended_action } = await statusOf('gpu-0');
    expect(conditions).toMatchObject([
      {
        type: 'DCGMHealth',
        status: 'Unknown',
        reason: 'ProviderSilent',
        message: expect.stringMatching(/^dcgm has been silent since 2\d{3}-.*Z; before, DCGMHealth was True$/),
      },
      { type: 'Degraded', status: 'Unknown', message: expect.stringContaining('before, Degraded was True') },
      { type: 'Ready', status: 'True' },
    ]);
    expect(recommended_action).toBe('RestartApp');
    expect(server.logged).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('gone silent'), provider: 'dcgm', level: 'warn' }),
    );
  });

  test('recommends nothing any more, also where it had no conditions', async () => {
    await register('dcgm');
    await report('dcgm', 'gpu-1', {}, 'RebootNode');
    expect((await statusOf('gpu-1')).recommended_action).toBe('RebootNode');
    await vi.waitFor(async () => expect((await statusOf('gpu-1')).recommended_action).toBe(''), 5_000);
  });

  test('has them all turned, on every GPU of many', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `gpu-many-${i}`);
    await Promise.all(names.map(create));
    await register('dcgm');
    await Promise.all(names.map((name) => report('dcgm', name, { DCGMHealth: 'True' })));
    const watching = server.client.watch('WatchGpus');
    await watching.until(102);
    const events = await watching.until(202);
    const unknown = events.slice(102).filter(({ object }) => object.status.conditions[0]?.status === 'Unknown');
    expect(new Set(unknown.map(({ object }) => object.metadata.name))).toEqual(new Set(names));
    watching.cancel();
  });

  test('is kept connected by heartbeats, and by writes, also by one that is refused', async () => {
    await register('beats');
    await register('writes');
    await register('refused');
    for (const id of ['beats', 'writes', 'refused']) await report(id, 'gpu-0', { [`${id}Health`]: 'True' });
    const timer = setInterval(() => {
      void beat('beats');
      void report('writes', 'gpu-0', { writesHealth: 'True' });
      void server.client.call('UpdateGpu', { gpu: { metadata: { name: 'gpu-none' }, spec: { uuid: 'x' } } }, 'refused');
    }, interval / 2);
    await new Promise((resolve) => setTimeout(resolve, 5 * interval));
    clearInterval(timer);
    const { conditions } = await statusOf('gpu-0');
    expect(conditions.map(({ status }) => status)).toEqual(['True', 'True', 'True']);
    expect((await providers()).map(({ timeouts }) => timeouts)).toEqual(['0', '0', '0']);
  });

  test('loses its conditions to whoever takes them, and its types too', async () => {
    await register('dcgm', ['DCGMHealth']);
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    await report('dcgm', 'gpu-1', { DCGMHealth: 'True' });
    await untilSilent('dcgm');
    await vi.waitFor(async () => expect((await conditionOf('gpu-1', 'DCGMHealth'))?.status).toBe('Unknown'));
    expect(await register('newer', ['DCGMHealth'], 60_000)).toHaveProperty('ok');
    expect(await report('newer', 'gpu-0', { DCGMHealth: 'False' })).toHaveProperty('ok');
    expect(await beat('dcgm')).toHaveProperty('ok');
    for (const name of ['gpu-0', 'gpu-1']) {
      expect(await report('dcgm', name, { DCGMHealth: 'True' })).toMatchObject({
        code: 'FAILED_PRECONDITION',
        details: expect.stringContaining('newer'),
      });
    }
    expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'False' });
  });

  test('must report again when it beats again: nothing that it said before is true by itself', async () => {
    await register('dcgm');
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    await report('dcgm', 'gpu-1', { DCGMHealth: 'True' });
    expect(await beat('dcgm')).toEqual({ ok: { report_again: false } });
    await untilSilent('dcgm');
    await vi.waitFor(async () => expect((await conditionOf('gpu-1', 'DCGMHealth'))?.status).toBe('Unknown'));
    const stop = keepBeating('dcgm');
    expect(await beat('dcgm')).toEqual({ ok: { report_again: true } });
    expect(await stateOf('dcgm')).toBe('connected');
    expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'Unknown', reason: 'ProviderSilent' });
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'True', reason: '' });
    expect(await beat('dcgm')).toEqual({ ok: { report_again: true } });
    await report('dcgm', 'gpu-1', { DCGMHealth: 'True' });
    expect(await beat('dcgm')).toEqual({ ok: { report_again: false } });
    stop();
  });

  test('shows in DeviceDetails as stale until it reports again', async () => {
    const stale = async () =>
      (await server.client.ok<{ device: { stale: boolean } }>('GetDevice', { name: 'gpu-0' })).device.stale;
    await register('dcgm');
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    expect(await stale()).toBe(false);
    await untilSilent('dcgm');
    await vi.waitFor(async () => expect(await stale()).toBe(true));
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    expect(await stale()).toBe(false);
  });
});

test('a provider that never registers is never missed', async () => {
  await report('plain', 'gpu-0', { DCGMHealth: 'True' });
  await register('dcgm');
  await untilSilent('dcgm');
  expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'True' });
  expect(await providers()).toMatchObject([
    { id: 'dcgm', state: 'silent', timeouts: '1', gpus: 0 },
    { id: 'plain', state: 'unregistered', heartbeats: '0', last_heartbeat: null, gpus: 1 },
  ]);
});

describe('a registered condition type', () => {
  test('is refused to others on every GPU, and to another registration', async () => {
    await register('dcgm', ['DCGMHealth'], 60_000);
    expect(await report('other', 'gpu-0', { DCGMHealth: 'True' })).toEqual({
      code: 'FAILED_PRECONDITION',
      details: 'condition type DCGMHealth is registered by provider dcgm',
    });
    expect(await register('other', ['Degraded', 'DCGMHealth'])).toEqual({
      code: 'FAILED_PRECONDITION',
      details: 'condition_types[1]: "DCGMHealth" is registered by provider dcgm',
    });
    expect(await stateOf('other')).toBeUndefined();
    expect(await report('dcgm', 'gpu-0', { DCGMHealth: 'True' })).toHaveProperty('ok');
  });

  test('stays with whoever owned the condition before, on that GPU', async () => {
    await report('earlier', 'gpu-0', { DCGMHealth: 'True' });
    await register('dcgm', ['DCGMHealth'], 60_000);
    expect(await report('earlier', 'gpu-0', { DCGMHealth: 'False' })).toHaveProperty('ok');
    expect(await report('dcgm', 'gpu-0', { DCGMHealth: 'True' })).toMatchObject({ code: 'FAILED_PRECONDITION' });
    await report('earlier', 'gpu-0', {});
    expect(await report('earlier', 'gpu-0', { DCGMHealth: 'False' })).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await report('dcgm', 'gpu-0', { DCGMHealth: 'True' })).toHaveProperty('ok');
  });

  test('is free again when it is registered no more', async () => {
    await register('dcgm', ['DCGMHealth', 'Degraded'], 60_000);
    await register('dcgm', ['Degraded'], 60_000);
    expect(await report('other', 'gpu-0', { DCGMHealth: 'True' })).toHaveProperty('ok');
    expect(await report('other', 'gpu-1', { Degraded: 'True' })).toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});

describe('unregistering', () => {
  beforeEach(async () => {
    await register('dcgm', ['DCGMHealth'], 60_000);
    for (const name of ['gpu-0', 'gpu-1']) await report('dcgm', name, { DCGMHealth: 'False' }, 'ResetGPU');
    await report('other', 'gpu-0', { Ready: 'True' });
  });

  test('turns the conditions Unknown before it is answered: a sick GPU does not heal by a goodbye', async () => {
    await server.client.ok('Unregister', {}, 'dcgm');
    for (const name of ['gpu-0', 'gpu-1']) {
      expect(await conditionOf(name, 'DCGMHealth')).toMatchObject({
        status: 'Unknown',
        reason: 'ProviderSilent',
        message: expect.stringMatching(/^dcgm unregistered at 2\d{3}-.*; before, DCGMHealth was False$/),
      });
      expect((await statusOf(name)).recommended_action).toBe('');
    }
    expect(await conditionOf('gpu-0', 'Ready')).toMatchObject({ status: 'True' });
    expect(await stateOf('dcgm')).toBe('unregistered');
    expect(await register('other', ['DCGMHealth'])).toHaveProperty('ok');
  });

  test('removes the conditions where the provider wants that', async () => {
    await server.client.ok('Unregister', { remove_conditions: true }, 'dcgm');
    expect((await statusOf('gpu-0')).conditions.map(({ type }) => type)).toEqual(['Ready']);
    expect((await statusOf('gpu-1')).conditions).toEqual([]);
    expect((await statusOf('gpu-1')).recommended_action).toBe('');
    expect(await stateOf('dcgm')).toBeUndefined();
  });

  test('ends the beats: the next is refused', async () => {
    await server.client.ok('Unregister', {}, 'dcgm');
    const refused = { code: 'FAILED_PRECONDITION', details: 'provider "dcgm" is not registered: register first' };
    expect(await beat('dcgm')).toEqual(refused);
    expect(await server.client.call('Unregister', {}, 'dcgm')).toEqual(refused);
  });
});

describe('after a restart', () => {
  const restart = async (flags: string[] = []) => {
    // A disk that is slow for a moment makes the daemon go on in memory; what it keeps is whole soon after.
    await expect.poll(() => server.metric('device_api_server_state_file_missing_changes'), { timeout: 10_000 }).toBe(0);
    await server.stop();
    server = await startCacheServer(flags, server.folder);
  };

  test('who was registered still is, with its types, and has three beats to be heard', async () => {
    await register('dcgm', ['DCGMHealth'], 1_500);
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    await restart(['--heartbeat-interval', '10m']);
    expect(await providers()).toMatchObject([
      { id: 'dcgm', state: 'connected', condition_types: ['DCGMHealth'], last_heartbeat: null, heartbeats: '0' },
    ]);
    expect(await report('other', 'gpu-1', { DCGMHealth: 'True' })).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'True' });
    await untilSilent('dcgm');
    await vi.waitFor(async () =>
      expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'Unknown', reason: 'ProviderSilent' }),
    );
  });

  test('a heartbeat says that the conditions are to be reported again', async () => {
    await register('dcgm', [], 60_000);
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    await restart();
    expect(await beat('dcgm')).toEqual({ ok: { report_again: true } });
    expect(await register('dcgm', [], 60_000)).toMatchObject({ ok: { report_again: true } });
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    expect(await beat('dcgm')).toEqual({ ok: { report_again: false } });
  });

  test('who beats but reports nothing has its conditions turned Unknown as everybody else', async () => {
    await register('dcgm', [], 60_000);
    await report('dcgm', 'gpu-0', { DCGMHealth: 'True' });
    await restart(['--heartbeat-interval', '100ms']);
    expect(await beat('dcgm')).toHaveProperty('ok');
    await vi.waitFor(async () =>
      expect(await conditionOf('gpu-0', 'DCGMHealth')).toMatchObject({ status: 'Unknown', reason: 'NotReconfirmed' }),
    );
  });

  test('who had unregistered is not missed, and a type that was taken over stays with its new owner', async () => {
    await register('gone', [], 60_000);
    await server.client.ok('Unregister', {}, 'gone');
    await register('old', ['DCGMHealth'], 100);
    await untilSilent('old');
    await register('new', ['DCGMHealth'], 60_000);
    await restart();
    expect(await providers()).toMatchObject([
      { id: 'new', condition_types: ['DCGMHealth'] },
      { id: 'old', condition_types: [] },
    ]);
  });
});

describe('refused is', () => {
  const refused = (outcome: Outcome<unknown>, code: string, details: string) =>
    expect(outcome).toEqual({ code, details: expect.stringContaining(details) });

  test.each([
    [99, 'heartbeat_interval_millis: 99 is not allowed; 100 to 600000'],
    [600_001, 'heartbeat_interval_millis: 600001 is not allowed; 100 to 600000'],
  ])('an interval of %i ms', async (millis, details) => {
    refused(await register('dcgm', [], millis), 'INVALID_ARGUMENT', details);
  });

  test.each([
    [['Ready', 'Ready'], 'condition_types[1]: "Ready" is not allowed; each type may stand once'],
    [['Ready', ''], 'condition_types[1]: "" is not allowed; it is required'],
    [['a b'], 'condition_types[0]: "a b" is not allowed; at most 253 visible ASCII characters are'],
    [Array.from({ length: 65 }, (_, i) => `T${i}`), 'condition_types: 65 is not allowed; at most 64 are'],
  ])('types such as %j', async (types, details) => {
    refused(await register('dcgm', types), 'INVALID_ARGUMENT', details);
    expect(await stateOf('dcgm')).toBeUndefined();
  });

  test.each([undefined, 'default'])('the id %s, which is everybody’s', async (id) => {
    const details = 'gpubroker-provider-id: "default" is not allowed; a name of your own is';
    refused(await register(id), 'INVALID_ARGUMENT', details);
    refused(await beat(id), 'INVALID_ARGUMENT', details);
  });

  test("the agent's id", async () => {
    refused(await register('gpubroker-agent'), 'INVALID_ARGUMENT', 'it belongs to the agent on this node');
  });

  test('a beat of one who has not registered', async () => {
    refused(await beat('dcgm'), 'FAILED_PRECONDITION', 'provider "dcgm" is not registered: register first');
  });

  test('the reports on a GPU that is not there', async () => {
    refused(await server.client.call('GetReports', { name: 'gpu-x' }), 'NOT_FOUND', 'no GPU is named "gpu-x"');
  });
});

test('0 is the interval of the daemon, and the answer says what holds', async () => {
  expect(await register('dcgm', [], 0)).toEqual({ ok: { heartbeat_interval_millis: 3000, report_again: false } });
  expect(await register('dcgm', [], 5000)).toMatchObject({ ok: { heartbeat_interval_millis: 5000 } });
});

test('the reports on a GPU say who said what', async () => {
  await report('dcgm', 'gpu-0', { DCGMHealth: 'True', Degraded: 'False' });
  await report('action-only', 'gpu-0', {}, 'ResetGPU');
  const reports = await server.client.ok<object>('GetReports', { name: 'GPU-0' });
  expect(reports).toMatchObject({
    name: 'gpu-0',
    resource_version: '4',
    reports: [
      { provider: 'action-only', conditions: [], recommended_action: 'ResetGPU' },
      {
        provider: 'dcgm',
        conditions: [
          { type: 'DCGMHealth', status: 'True', stale: false },
          { type: 'Degraded', status: 'False', stale: false },
        ],
        recommended_action: '',
      },
    ],
  });
});
