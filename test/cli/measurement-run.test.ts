// `gpubroker bench run` through a daemon: bars on a terminal, tables at the end, what is not measured, and Ctrl-C.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { FakeMeasuring, measurementOf } from '../fixtures/measurement.ts';
import { command } from './command.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let agent: FakeMeasuring;
let server: RunningCacheServer;
beforeEach(async () => {
  agent = new FakeMeasuring();
  server = await startCacheServer([], undefined, { measuring: agent });
});
afterEach(() => server.remove());

const run = (...argv: string[]) => command('bench', 'run', '--socket', server.socket, ...argv);
const held = { gpu: 'gpu-1', reason: 'held', message: 'it is sold' };

test('a table of every GPU, with what was not measured and why', async () => {
  agent.say({ measurement: measurementOf('gpu-0', { id: '0198-a' }) }, { notMeasured: held });
  agent.end();
  const { code, stdout, stderr } = await run('--effort', 'quick', '--only', 'fp32, memory-latency');
  expect(agent.requests).toEqual([{ gpus: [], effort: 'quick', benchmarks: ['fp32', 'memory-latency'] }]);
  const [title, heading, fp32, latency, missing] = stdout.split('\n');
  expect(title).toBe('gpu-0 (a device): quick, opencl, simulated, 2026-03-01T10:00:09Z, 0198-a');
  expect(heading).toMatch(/^BENCHMARK +MEDIAN +SPREAD +SAMPLES +CLOCK +POWER +TEMPERATURE +THROTTLED$/);
  expect(fp32).toMatch(/^fp32 +60\.5 TFLOP\/s +60–61\.5 +3 +1900–1980 MHz +600–690 W +50–61 C +power-cap$/);
  expect(latency).toMatch(/^memory-latency +505 ns +500–510 +3 +- +- +- +-$/);
  expect(missing).toBe('tensor-fp16     unsupported  OpenCL has no tensor cores');
  expect(stderr).toBe('gpu-1 is not measured: held: it is sold\n');
  // Nobody asked for the GPU that somebody else has.
  expect(code).toBe(0);
});

test('JSON for programs: medians, samples, and reasons in place of bits', async () => {
  const measurement = measurementOf('gpu-0');
  agent.say({ progress: { gpu: 'gpu-0', done: 0, total: 9, current: 'fp32' } }, { measurement }, { notMeasured: held });
  agent.end();
  const { stdout } = await run('--json');
  const { measurements, notMeasured } = JSON.parse(stdout);
  expect(measurements[0]).toMatchObject({ id: measurement.id, gpu: 'gpu-0', startTime: '2026-03-01T10:00:00.000Z' });
  expect(measurements[0].figures[0]).toMatchObject({ name: 'fp32', median: 60.5, samples: [60, 61.5, 60.5] });
  expect(measurements[0].figures[0].conditions).toMatchObject({ throttleReasons: ['power-cap'], readings: 3 });
  expect(measurements[0].figures[1]).not.toHaveProperty('conditions');
  expect(notMeasured).toEqual([held]);
});

describe('the exit code is 1', () => {
  test.each([
    ['where a GPU that was named is not measured', ['gpu-0', 'gpu-1'], [measurementOf('gpu-0')], [held]],
    ['where one failed', [], [measurementOf('gpu-0')], [{ ...held, reason: 'failed' }]],
    ['where none is measured', [], [], [held]],
    ['where there is none', [], [], []],
  ])('%s', async (_when, gpus, measurements, notMeasured) => {
    agent.say(...measurements.map((measurement) => ({ measurement })));
    agent.say(...notMeasured.map((one) => ({ notMeasured: one })));
    agent.end();
    expect((await run(...gpus)).code).toBe(1);
  });
});

test('a GPU that is not there, a daemon that is not there, one that measures nothing', async () => {
  const { code, stderr } = await run('gpu-x');
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('no GPU is named gpu-x') });
  expect(await command('bench', 'run', '--socket', '/nowhere/at.all')).toMatchObject({ code: 4 });
  const alone = await startCacheServer();
  onTestFinished(() => alone.remove());
  expect(await command('bench', 'run', '--socket', alone.socket)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('the cache-server measures no GPU: the agent does'),
  });
});

test('a daemon that does not answer is given up after --timeout', async () => {
  const socket = join(server.folder, 'silent.sock');
  const silent = createServer(() => undefined).listen(socket);
  onTestFinished(() => void silent.close());
  await once(silent, 'listening');
  const { code, stderr } = await command('bench', 'run', '--socket', socket, '--timeout', '300ms');
  expect({ code, stderr }).toEqual({ code: 4, stderr: expect.stringContaining('did not answer within 300ms') });
});

test('a daemon that is stopped meanwhile is said so', async () => {
  const running = run();
  await vi.waitFor(() => expect(agent.requests).toHaveLength(1));
  await server.stop();
  expect(await running).toMatchObject({ code: 4, stderr: expect.stringContaining('GPUB_DAEMON_LOST') });
});

test('--device does not go together with names', async () => {
  expect(await run('gpu-0', '--device', '0')).toMatchObject({ code: 2, stderr: expect.stringContaining('--device') });
});

describe('on a terminal', () => {
  /** Standard error as a terminal of 60 columns and 5 rows. */
  function terminal(): void {
    for (const [name, value] of Object.entries({ isTTY: true, columns: 60, rows: 5 })) {
      const before = Object.getOwnPropertyDescriptor(process.stderr, name);
      Object.defineProperty(process.stderr, name, { value, configurable: true });
      onTestFinished(() => {
        if (before) Object.defineProperty(process.stderr, name, before);
        else Reflect.deleteProperty(process.stderr, name);
      });
    }
  }
  const progress = (gpu: string, done: number, current: string) => ({ progress: { gpu, done, total: 4, current } });

  test('a bar for each GPU is drawn in its place, and taken away in the end', async () => {
    terminal();
    agent.say(progress('gpu-0', 0, 'fp32'), progress('gpu-1', 1, 'fp16'), progress('gpu-0', 2, 'int8'));
    agent.say({ measurement: measurementOf('gpu-0') });
    agent.end();
    const { stderr, stdout } = await run();
    const bars = (full: number) => '█'.repeat(full) + '░'.repeat(16 - full);
    const first = `gpu-0  ${bars(0)}  0 of 4  fp32\u001b[K\n`;
    const second = `gpu-1  ${bars(4)}  1 of 4  fp16\u001b[K\n`;
    const later = `gpu-0  ${bars(8)}  2 of 4  int8\u001b[K\n`;
    expect(stderr).toBe(
      `\r${first}\u001b[J\u001b[1A\r${first}${second}\u001b[J\u001b[2A\r${later}${second}\u001b[J\u001b[2A\r\u001b[J`,
    );
    expect(stdout).toMatch(/^gpu-0 \(a device\)/);
  });

  test('more GPUs than it has rows are counted, and nothing is longer than a row', async () => {
    terminal();
    for (let i = 0; i < 5; i += 1) agent.say(progress(`gpu-${i}`, 1, 'a-benchmark-with-a-name-that-is-long'));
    agent.say({ measurement: measurementOf('gpu-0') });
    agent.end();
    const { stderr } = await run();
    const last = stderr.split('\u001b[J').at(-3) ?? '';
    const lines = last
      .slice(last.indexOf('\r') + 1)
      .split('\u001b[K\n')
      .filter(Boolean);
    expect(lines).toHaveLength(4);
    expect(lines[3]).toBe('and 2 more');
    expect(Math.max(...lines.map((line) => line.length))).toBe(60);
  });
});

describe('Ctrl-C', () => {
  let child: ChildProcess | undefined;
  afterEach(() => child?.kill('SIGKILL'));

  test('stops the measurement, and shows what was finished', async () => {
    const running = spawn(process.execPath, [main, 'bench', 'run', '--socket', server.socket]);
    child = running;
    const output = { stdout: '', stderr: '' };
    running.stdout.on('data', (text) => (output.stdout += text));
    running.stderr.on('data', (text) => (output.stderr += text));
    await vi.waitFor(() => expect(agent.requests).toHaveLength(1), { timeout: 10_000 });
    agent.say({ measurement: measurementOf('gpu-0') });
    agent.say({ progress: { gpu: 'gpu-1', done: 1, total: 9, current: 'fp16' } });
    // What is on its way arrives before the signal is obeyed.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    running.kill('SIGINT');
    const [code] = await once(running, 'close');
    expect(code).toBe(1);
    expect(output.stdout).toMatch(/^gpu-0 \(a device\)/);
    expect(output.stderr).toBe('Stopped: what was not finished is not kept.\n');
    await vi.waitFor(() => expect(agent.stopped).toBe(1));
  });
});
