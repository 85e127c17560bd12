// A daemon as a real process: options, probes, metrics, signals, exit codes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('./daemon-process.ts', import.meta.url));
const anyPorts = ['--health-port', '0', '--metrics-port', '0'];
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function start(flags: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [script, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  children.push(child);
  const records: Record<string, unknown>[] = [];
  const exited = once(child, 'exit').then(([code]) => code as number);
  const stderr = text(child.stderr);
  createInterface(child.stdout).on('line', (line) => {
    if (line.startsWith('{')) records.push(JSON.parse(line));
  });
  const logged = async (message: string) => {
    for (;;) {
      const record = records.find(({ msg }) => msg === message);
      if (record) return record;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { child, records, exited, stderr, logged };
}

test('it serves probes and metrics, and stops upon SIGTERM: not ready, delay, drain', async () => {
  const { child, logged, exited, records } = start([...anyPorts, '--shutdown-delay', '500ms']);
  await logged('started');
  const health = `http://127.0.0.1:${(await logged('serving health')).port}`;
  const metrics = `http://127.0.0.1:${(await logged('serving metrics')).port}/metrics`;
  expect((await fetch(`${health}/readyz`)).status).toBe(200);
  expect(await (await fetch(metrics)).text()).toContain('process_cpu_seconds_total');
  child.kill('SIGTERM');
  await logged('stopping');
  const notReady = await fetch(`${health}/readyz`);
  expect([notReady.status, await notReady.text()]).toEqual([
    503,
    expect.stringContaining('[-]shutdown reason: stopping after SIGTERM'),
  ]);
  expect((await fetch(`${health}/livez`)).status).toBe(200);
  expect(await exited).toBe(0);
  expect(records.map(({ msg }) => msg).slice(-2)).toEqual(['drained', 'stopped']);
});

test('a second signal ends it at once', async () => {
  const { child, logged, exited } = start([...anyPorts, '--shutdown-delay', '1m']);
  await logged('started');
  child.kill('SIGTERM');
  await logged('stopping');
  child.kill('SIGINT');
  expect(await exited).toBe(130);
});

test('wrong options: a line each on standard error, exit code 2, no stack', async () => {
  const { exited, stderr, records } = start(['--health-port', '70000', '--probe-intervall', '5']);
  expect(await exited).toBe(2);
  expect((await stderr).split('\n')).toEqual([
    'gpubroker cache-server: --probe-intervall: no such option (from the command line) [GPUB_OPTION_UNKNOWN]',
    'gpubroker cache-server: health-port: "70000" (from flag --health-port) is not allowed: ' +
      'give a whole number from 0 to 65535 [GPUB_OPTION_INVALID]',
    '',
  ]);
  expect(records).toEqual([]);
});

test('a port in use: one clear error, exit code 1, and the probes are stopped', async () => {
  const first = start(anyPorts);
  const { port } = await first.logged('serving metrics');
  const second = start(['--health-port', '0', '--metrics-port', String(port)]);
  expect(await second.exited).toBe(1);
  const errors = second.records.filter(({ level }) => level === 'fatal' || level === 'error');
  expect(errors).toMatchObject([
    { msg: 'start failed', err: { code: 'GPUB_ADDRESS_IN_USE', advice: expect.stringContaining('another address') } },
  ]);
});

test.each([
  ['throw', 'thrown out of nowhere'],
  ['reject', 'rejected out of nowhere'],
])('an error that nobody caught (%s) is logged and ends it', async (fault, message) => {
  const { exited, records } = start(anyPorts, { TEST_FAULT: fault });
  expect(await exited).toBe(1);
  expect(records.at(-1)).toMatchObject({ level: 'fatal', err: { message, stack: expect.any(String) } });
});

test('--help shows the options and an example', async () => {
  const child = spawn(process.execPath, [script, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const help = await text(child.stdout);
  expect(help).toContain('--shutdown-delay');
  expect(help).toContain('gpubroker cache-server  Do nothing');
});

test('a misspelt variable is a warning in the log', async () => {
  const { logged } = start(anyPorts, { GPUBROKER_LOG_LEVLE: 'debug' });
  const record = await logged(
    'environment GPUBROKER_LOG_LEVLE is no option of this daemon; did you mean GPUBROKER_LOG_LEVEL?',
  );
  expect(record.level).toBe('warn');
});
