// `config print`: what a daemon would run with, and where each value comes from.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { command } from './command.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

test('key, value and source', async () => {
  vi.stubEnv('GPUBROKER_LOG_LEVEL', 'debug');
  const { code, stdout } = await command('config', 'print', 'agent', '--health-port', '1234', '--node-name=n');
  expect(code).toBe(0);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  expect(rows[0]).toEqual(['KEY', 'VALUE', 'SOURCE']);
  expect(rows).toContainEqual(['health-port', '1234', 'flag --health-port']);
  expect(rows).toContainEqual(['log-level', 'debug', 'environment GPUBROKER_LOG_LEVEL']);
  expect(rows).toContainEqual(['socket-mode', '0660', 'default']);
  expect(rows).toContainEqual(['probe-init-deadline', '1m', 'default']);
});

test('for programs, and for the cache server', async () => {
  const { stdout } = await command('config', 'print', 'cache-server', '--json', '--condition-polarity', 'Hot=bad');
  const settings: { key: string; value: string; source: string }[] = JSON.parse(stdout);
  expect(settings).toContainEqual({ key: 'condition-polarity', value: 'Hot=bad', source: 'flag --condition-polarity' });
  expect(settings.map(({ key }) => key)).not.toContain('sources');
});

test('a misspelt variable is remarked upon', async () => {
  vi.stubEnv('GPUBROKER_PROBE_INTERVALL', '1s');
  const { code, stderr } = await command('config', 'print');
  expect(code).toBe(0);
  expect(stderr).toContain('did you mean GPUBROKER_PROBE_INTERVAL?');
});

test('wrong options are 2', async () => {
  const { code, stdout, stderr } = await command('config', 'print', 'breaker');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('"breaker": only options are taken here');
});

describe('of `up`', () => {
  /** What `config print up` prints for an ordinary user, by key. */
  async function printedForUser(...flags: string[]) {
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const { code, stdout, stderr } = await command('config', 'print', 'up', '--json', ...flags);
    const settings: { key: string; value: string }[] = stdout === '' ? [] : JSON.parse(stdout);
    return { code, stderr, values: Object.fromEntries(settings.map(({ key, value }) => [key, value])) };
  }

  test('its own defaults, in the places of this user', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', '/run/user/1000');
    vi.stubEnv('XDG_DATA_HOME', '/home/a/data');
    const { code, values } = await printedForUser();
    expect(code).toBe(0);
    expect(values).toMatchObject({
      'unix-socket': '/run/user/1000/gpubroker/device.sock',
      'data-dir': '/home/a/data/gpubroker',
      'health-port': '0',
      'log-format': 'text',
    });
  });

  test('a socket path that is too long is refused, unless another is given', async () => {
    vi.stubEnv('XDG_RUNTIME_DIR', `/${'long/'.repeat(30)}`);
    const refused = await printedForUser();
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /unix-socket: "\/long.*" \(from default\) is not allowed: .*\[GPUB_OPTION_INVALID\]/,
    );
    expect((await printedForUser('--unix-socket', '/x.sock')).values['unix-socket']).toBe('/x.sock');
  });
});

test('--json as the value of another flag stays that', async () => {
  const { code, stderr } = await command('config', 'print', '--node-name', '--json');
  expect(code).toBe(2);
  expect(stderr).toContain('node-name');
  const switched = await command('config', 'print', 'agent', '--grpc-allow-writes', '--json');
  expect(JSON.parse(switched.stdout)).toContainEqual(
    expect.objectContaining({ key: 'grpc-allow-writes', value: 'true' }),
  );
});
