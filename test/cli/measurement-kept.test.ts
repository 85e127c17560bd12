// `gpubroker bench show` and `bench compare`: what is kept, and how the newest stands beside it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Figure, Measurement } from '../../src/wire/gpubroker/device/v1/measurement.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { FakeMeasuring, measurementOf } from '../fixtures/measurement.ts';
import { command } from './command.ts';

let agent: FakeMeasuring;
let server: RunningCacheServer;
beforeEach(async () => {
  agent = new FakeMeasuring();
  server = await startCacheServer([], undefined, { measuring: agent });
});
afterEach(() => server.remove());

const bench = (...argv: string[]) => command('bench', ...argv, '--socket', server.socket);
/** As the node keeps them: the newest first. */
const keep = (...measurements: Measurement[]) => agent.kept.push(...measurements);
const figure = (name: string, unit: string, ...samples: number[]): Figure => ({ name, unit, samples });

describe('show', () => {
  test('a line for each measurement, the newest first', async () => {
    keep(measurementOf('gpu-1', { id: 'b' }), measurementOf('gpu-0', { id: 'a', effort: 'normal' }));
    const { code, stdout } = await bench('show');
    expect(code).toBe(0);
    const [heading, ...lines] = stdout.trimEnd().split('\n');
    expect(heading).toMatch(/^MEASURED +GPU +EFFORT +BACKEND +LABEL +FIGURES +ID$/);
    expect(lines).toEqual([
      '2026-03-01T10:00:09Z  gpu-1  quick   opencl   simulated  2 of 3   b',
      '2026-03-01T10:00:09Z  gpu-0  normal  opencl   simulated  2 of 3   a',
    ]);
  });

  test('of one GPU the newest as a whole, or as many as asked for', async () => {
    keep(measurementOf('gpu-1'), measurementOf('gpu-0', { id: 'new' }), measurementOf('gpu-0', { id: 'old' }));
    expect((await bench('show', 'gpu-0')).stdout).toMatch(
      /^gpu-0 .*, new\nBENCHMARK.*\nfp32.*\nmemory-latency.*\ntensor/,
    );
    expect((await bench('show', 'gpu-0', '--limit', '2')).stdout).toMatch(/, new\n[\s\S]*\n\n.*, old\n/);
    const { measurements } = JSON.parse((await bench('show', 'gpu-0', '--limit', '0', '--json')).stdout);
    expect(measurements.map(({ id }: Measurement) => id)).toEqual(['new', 'old']);
    expect(measurements[0].figures[0].median).toBe(60.5);
  });

  test('nothing, and no such GPU, are said', async () => {
    expect(await bench('show')).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('bench run') });
    expect(await bench('show', 'gpu-x')).toMatchObject({ code: 3, stderr: expect.stringContaining('gpu-x') });
    expect(await bench('show', '--limit', 'many')).toMatchObject({ code: 2 });
  });
});

describe('compare', () => {
  const measured = (id: string, bandwidth: number, latency: number, more: Partial<Measurement> = {}) =>
    measurementOf('gpu-0', {
      id,
      unmeasured: [],
      figures: [figure('memory-bandwidth', 'GB/s', bandwidth), figure('memory-latency', 'ns', latency)],
      ...more,
    });
  const rows = (text: string) => text.trimEnd().split('\n').slice(2);

  test('with its own earlier ones: what is slower is marked, whichever way is better', async () => {
    keep(measured('new', 2_000, 700));
    for (const [i, speed] of [3_000, 3_010, 2_990].entries()) keep(measured(`old-${i}`, speed, 500));
    const { code, stdout } = await bench('compare', 'gpu-0');
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toBe('gpu-0, measured new, beside the median of the 3 before');
    expect(stdout.split('\n')[1]).toMatch(/^BENCHMARK +NEWEST +BESIDE +SPEED$/);
    expect(rows(stdout)).toEqual([
      'memory-bandwidth  2000 GB/s  3000 GB/s  66.7 %  slower',
      'memory-latency    700 ns     500 ns     71.4 %  slower',
    ]);
  });

  test('what lies within the usual spread is not marked; what is faster is', async () => {
    keep(measured('new', 2_800, 400), measured('b', 3_000, 500), measured('a', 3_000, 500));
    const { figures } = JSON.parse((await bench('compare', 'gpu-0', '--json')).stdout);
    expect(figures).toMatchObject([
      { name: 'memory-bandwidth', newest: 2_800, baseline: 3_000, tolerance: 0.1, verdict: 'same' },
      { name: 'memory-latency', ratio: 1.25, verdict: 'faster' },
    ]);
  });

  test('only with measurements of the same effort and interface', async () => {
    keep(measured('new', 2_000, 500), measured('b', 3_000, 500, { effort: 'normal' }));
    keep(measured('a', 3_000, 500, { backend: 'cuda' }));
    expect(await bench('compare', 'gpu-0')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('gpu-0 has not been measured before in the same way [GPUB_NOT_MEASURED]'),
    });
    keep(measured('same', 3_000, 500));
    expect(JSON.parse((await bench('compare', 'gpu-0', '--json')).stdout).with).toEqual({
      kind: 'history',
      measurements: ['same'],
    });
  });

  test('with one measurement, and with another GPU', async () => {
    const other = measured('other', 4_000, 500, { gpu: 'gpu-1' });
    keep(measured('new', 2_000, 500), other, measured('a', 2_000, 500));
    expect((await bench('compare', 'gpu-0', '--with', 'a')).stdout).toContain('beside a, of gpu-0\n');
    const { stdout } = await bench('compare', 'gpu-0', '--with-gpu', 'gpu-1');
    expect(stdout).toContain('beside gpu-1\n');
    expect(rows(stdout)[0]).toBe('memory-bandwidth  2000 GB/s  4000 GB/s  50.0 %   slower');
    for (const argv of [
      ['--with', 'none'],
      ['--with-gpu', 'gpu-x'],
    ])
      expect(await bench('compare', 'gpu-0', ...argv)).toMatchObject({ code: 3 });
    expect(await bench('compare', 'gpu-0', '--with', 'a', '--with-gpu', 'gpu-1')).toMatchObject({ code: 2 });
  });

  test('errors have no speed: more of them are worse; what is missing is said', async () => {
    const checked = (errors: number) => figure('memory-check', 'errors', errors);
    keep(measured('new', 0, 0, { figures: [checked(2), figure('fp32', 'TFLOP/s', 60)] }));
    keep(measured('a', 0, 0, { figures: [checked(0), figure('fp16', 'TFLOP/s', 120)] }));
    const { stdout } = await bench('compare', 'gpu-0');
    expect(rows(stdout)).toEqual([
      'fp32          60 TFLOP/s  -            -',
      'fp16          -           120 TFLOP/s  -      missing',
      'memory-check  2 errors    0 errors     -      worse',
    ]);
  });

  test('a GPU that was never measured is said', async () => {
    await server.client.ok('CreateGpu', { gpu: { metadata: { name: 'gpu-0' }, spec: { uuid: 'GPU-0' } } });
    expect(await bench('compare', 'gpu-0')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('gpu-0 has not been measured [GPUB_NOT_MEASURED]'),
    });
  });
});
