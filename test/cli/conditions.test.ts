// `conditions`: who says what of the GPUs, said and taken back by people and scripts; against a real daemon.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatProviders } from '../../src/cli/condition-providers.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import type { WireGpu } from '../fixtures/node-client.ts';
import { command, type Outcome } from './command.ts';
import { startNodeServer } from './node-server.ts';

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
  for (const name of ['gpu-a', 'gpu-b']) {
    await server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
  }
});
afterEach(() => server.remove());

const conditions = (...argv: string[]): Promise<Outcome> => command('conditions', ...argv, '--socket', server.socket);
const set = (type: string, status: string, ...more: string[]) =>
  conditions('set', '--gpu', 'gpu-a', '--type', type, '--status', status, ...more);
const report = (provider: string, name: string, reported: object[], recommended_action = '') =>
  server.client.ok('UpdateGpuStatus', { name, status: { conditions: reported, recommended_action } }, provider);
async function gpu(name = 'gpu-a'): Promise<WireGpu['status']> {
  return (await server.client.ok('GetGpu', { name })).gpu.status;
}
const shown = async () => (await gpu()).conditions.map(({ type, status }) => `${type}=${status}`);

describe('set', () => {
  test('says what is said from now on, as the provider "operator"', async () => {
    const outcome = await set('Degraded', 'True', '--reason', 'FanNoise', '--message', 'loud since noon');
    expect(outcome).toEqual({ code: 0, stdout: 'Degraded of gpu-a is True, says operator\n', stderr: '' });
    expect((await gpu()).conditions).toMatchObject([
      { type: 'Degraded', status: 'True', reason: 'FanNoise', message: 'loud since noon' },
    ]);
    const { reports } = await server.client.ok<{ reports: object[] }>('GetReports', { name: 'gpu-a' });
    expect(reports).toMatchObject([{ provider: 'operator' }]);
  });

  test('keeps what the same provider said besides, and its action until another is given', async () => {
    await set('Degraded', 'True', '--reason', 'First', '--action', 'ResetGPU');
    await set('Checked', 'False');
    expect(await gpu()).toMatchObject({
      conditions: [
        { type: 'Checked', status: 'False' },
        { type: 'Degraded', status: 'True', reason: 'First' },
      ],
      recommended_action: 'ResetGPU',
    });
    await set('Checked', 'True', '--action', '');
    expect((await gpu()).recommended_action).toBe('');
    expect(await shown()).toEqual(['Checked=True', 'Degraded=True']);
  });

  test('speaks as any provider, and leaves what others say', async () => {
    await report('dcgm', 'gpu-a', [{ type: 'DCGMHealth', status: 'True' }], 'ReportIssue');
    await set('Degraded', 'True', '--provider', 'script-7');
    await set('Other', 'True', '--provider', 'dcgm');
    expect(await shown()).toEqual(['DCGMHealth=True', 'Degraded=True', 'Other=True']);
    expect((await gpu()).recommended_action).toBe('ReportIssue');
  });

  test('of several at once is lost by none', async () => {
    // In one process the commands share their output, so the writes of others come from a client.
    let others = 0;
    let busy = true;
    const busyClient = (async () => {
      for (; busy; others += 1)
        await report('busy', 'gpu-a', [{ type: 'Busy', status: others % 2 ? 'True' : 'False' }]);
    })();
    for (let i = 0; i < 20; i += 1) {
      const { code, stderr } = await set(`T${i}`, 'True');
      // Others may win ten times in a row; then that is said, and nothing is half done.
      if (code !== 0) expect(stderr).toContain('GPUB_GPU_RESTLESS');
      expect((await shown()).includes(`T${i}=True`)).toBe(code === 0);
    }
    busy = false;
    await busyClient;
    expect(others).toBeGreaterThan(20);
  });

  test('of a type that another provider owns is refused, and says whose it is', async () => {
    await report('dcgm', 'gpu-a', [{ type: 'DCGMHealth', status: 'True' }]);
    const { code, stderr } = await set('DCGMHealth', 'False');
    expect(code).toBe(1);
    expect(stderr).toContain('condition DCGMHealth of gpu-a belongs to provider dcgm (FAILED_PRECONDITION)');
  });

  test('prints the GPU as JSON', async () => {
    const { stdout } = await set('Ready', 'True', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ name: 'gpu-a', health: 'healthy', conditions: [{ type: 'Ready' }] });
  });
});

describe('clear', () => {
  beforeEach(async () => {
    await report('dcgm', 'gpu-a', [{ type: 'DCGMHealth', status: 'True' }]);
    await set('Degraded', 'True', '--action', 'ResetGPU');
    await set('Checked', 'True');
  });

  test('takes one back, and the action stays with what is left', async () => {
    const { code, stdout } = await conditions('clear', '--gpu', 'GPU-A', '--type', 'Checked');
    expect([code, stdout]).toEqual([0, 'operator says nothing of Checked of gpu-a any more\n']);
    expect(await shown()).toEqual(['DCGMHealth=True', 'Degraded=True']);
    expect((await gpu()).recommended_action).toBe('ResetGPU');
    await conditions('clear', '--gpu', 'gpu-a', '--type', 'Degraded');
    expect((await gpu()).recommended_action).toBe('');
  });

  test('takes all back of that provider, and again is no mistake', async () => {
    for (let i = 0; i < 2; i += 1) {
      const { code, stdout } = await conditions('clear', '--gpu', 'gpu-a');
      expect([code, stdout]).toEqual([0, 'operator says nothing of gpu-a any more\n']);
    }
    expect(await shown()).toEqual(['DCGMHealth=True']);
  });
});

describe('list', () => {
  test('has a line a condition, with who says it', async () => {
    await report('dcgm', 'gpu-b', [{ type: 'DCGMHealth', status: 'False', reason: 'Xid', message: 'it fell\noff' }]);
    await set('Ready', 'True');
    const { code, stdout } = await conditions('list');
    expect(code).toBe(0);
    expect(stdout.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')).toBe(
      [
        'GPU    TYPE        STATUS  PROVIDER  SINCE                     REASON  MESSAGE',
        'gpu-a  Ready       True    operator  TIME  -       -',
        'gpu-b  DCGMHealth  False   dcgm      TIME  Xid     it fell␊off',
        '',
      ].join('\n'),
    );
    expect((await conditions('list', '--gpu', 'gpu-b')).stdout).not.toContain('gpu-a');
  });

  test('is JSON with the recommended actions for programs', async () => {
    await set('Degraded', 'True', '--action', 'ResetGPU');
    const { stdout } = await conditions('list', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      conditions: [{ gpu: 'gpu-a', provider: 'operator', type: 'Degraded', status: 'True', stale: false }],
      recommendedActions: [{ gpu: 'gpu-a', provider: 'operator', action: 'ResetGPU' }],
    });
  });

  test('says beside the output where there is none', async () => {
    expect(await conditions('list')).toEqual({ code: 0, stdout: '', stderr: 'Nobody reports a condition.\n' });
  });
});

describe('providers', () => {
  test('are those that have registered, and others that report', async () => {
    await server.client.ok('Register', { condition_types: ['A', 'B'], heartbeat_interval_millis: 60_000 }, 'dcgm');
    await report('plain', 'gpu-a', [{ type: 'Ready', status: 'True' }]);
    const { code, stdout } = await conditions('providers');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^PROVIDER {2}STATE {9}GPUS {2}INTERVAL {2}LAST BEAT {2}SILENCES {2}TYPES\ndcgm {6}connected {5}0 {5}1m {8}\ds ago {5}0 {9}A, B\nplain {5}unregistered {2}1 {5}- {9}- {10}- {9}-\n$/,
    );
    expect(JSON.parse((await conditions('providers', '--json')).stdout)).toMatchObject({
      providers: [{ id: 'dcgm', state: 'connected', heartbeats: 1, timeouts: 0 }, { id: 'plain' }],
    });
  });

  test('that are silent show so, with when they were last heard', () => {
    const provider = {
      id: 'dcgm',
      state: 'silent',
      conditionTypes: [],
      heartbeatIntervalMillis: 10_000,
      lastHeartbeat: new Date(0),
      heartbeats: 7n,
      timeouts: 2n,
      gpus: 8,
    };
    expect(formatProviders([provider], 90_000).split('\n')[1]).toBe(
      'dcgm      silent  8     10s       1m 30s ago  2         -',
    );
  });

  test('that only write are registered by the operator, and are missed when they write no more', async () => {
    await report('plain', 'gpu-a', [{ type: 'Ready', status: 'True' }]);
    const argv = ['register', 'plain', '--interval', '300ms', '--type', 'Ready', 'Extra'];
    const { code, stdout } = await conditions(...argv);
    expect([code, stdout]).toEqual([0, 'plain is expected to report every 300ms\n']);
    expect(JSON.parse((await conditions('providers', '--json')).stdout)).toMatchObject({
      providers: [{ id: 'plain', state: 'connected', conditionTypes: ['Ready', 'Extra'] }],
    });
    await expect.poll(shown, { timeout: 5_000 }).toEqual(['Ready=Unknown']);
    expect((await conditions('register', 'plain')).stdout).toBe('plain is expected to report every 3s\n');
  });

  test('are expected no more once they are unregistered', async () => {
    await server.client.ok('Register', { heartbeat_interval_millis: 60_000 }, 'dcgm');
    await report('dcgm', 'gpu-a', [{ type: 'DCGMHealth', status: 'True' }]);
    const { code, stdout } = await conditions('unregister', 'dcgm');
    expect([code, stdout]).toEqual([0, 'dcgm is expected no more; its conditions are Unknown\n']);
    expect(await shown()).toEqual(['DCGMHealth=Unknown']);
    expect(await conditions('list')).toMatchObject({ stdout: expect.stringContaining('Unknown (stale)') });
    const again = await conditions('unregister', 'dcgm');
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('provider "dcgm" is not registered')]);
  });

  test('may be unregistered with all that they said', async () => {
    await server.client.ok('Register', { heartbeat_interval_millis: 60_000 }, 'dcgm');
    await report('dcgm', 'gpu-a', [{ type: 'DCGMHealth', status: 'True' }]);
    expect((await conditions('unregister', 'dcgm', '--remove', '--json')).stdout).toContain('"removed": true');
    expect(await shown()).toEqual([]);
  });
});

describe('failures', () => {
  test.each([
    [['set', '--type', 'A', '--status', 'True'], "required option '--gpu <name>' not specified", 2],
    [['set', '--gpu', 'gpu-a', '--status', 'True'], "required option '--type <type>' not specified", 2],
    [['set', '--gpu', 'gpu-a', '--type', 'A', '--status', 'Maybe'], 'Allowed choices are True, False, Unknown', 2],
    [['set', '--gpu', 'gpu-a', '--type', 'a b', '--status', 'True'], 'status.conditions[0].type: "a b" is not', 2],
    [['set', '--gpu', 'gpu-a', '--type', 'A', '--status', 'True', '--provider', 'ü'], 'Give at most 128 letters', 2],
    [['set', '--gpu', 'gpu-a', '--type', 'A', '--status', 'True', '--provider', 'gpubroker-agent'], 'the agent', 2],
    [['register', 'a', '--interval', '5'], 'Give a duration with its unit', 2],
    [['register', 'a', '--interval', '1h'], 'heartbeat_interval_millis: 3600000 is not allowed; 100 to 600000', 2],
    [['register', 'default'], 'a name of your own is', 2],
    [['unregister', 'a b'], 'Give at most 128 letters', 2],
    [['clear', '--gpu', 'gpu-x'], 'no GPU is named gpu-x', 3],
    [['list', '--gpu', 'gpu-x'], 'no GPU is named gpu-x', 3],
  ])('%j', async (argv, expected, code) => {
    const outcome = await conditions(...argv);
    expect(outcome.stderr).toContain(expected);
    expect([outcome.code, outcome.stdout]).toEqual([code, '']);
  });

  test('a daemon that nobody can reach is 4', async () => {
    expect(await command('conditions', 'list', '--socket', '/nowhere')).toMatchObject({ code: 4 });
  });

  test('a daemon that does not know who reports says so', async () => {
    const plain = await startNodeServer();
    const outcome = await command('conditions', 'providers', '--socket', plain.socket);
    plain.stop();
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining('(UNIMPLEMENTED)')]);
  });
});

test.each(['list', 'set', 'clear', 'providers', 'register', 'unregister'])(
  'conditions %s --help has an example',
  async (name) => {
    const { code, stdout } = await command('conditions', name, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/Example:\n {2}gpubroker conditions \w+/);
  },
);
