// `config print`: what a daemon would run with, and where each value comes from.
import { afterEach, expect, test, vi } from 'vitest';
import { command } from './command.ts';

afterEach(() => {
  vi.unstubAllEnvs();
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
  const { code, stdout, stderr } = await command('config', 'print', 'broker');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain('"broker": only options are taken here');
});
