// The file of what was measured: bounded, whole after a crash, and never in the way of a measurement.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeptMeasurements, mostKept } from '../../../src/agent/measurements/kept-measurements.ts';
import { seal } from '../../../src/cache-server/state/line.ts';
import { createLog } from '../../../src/daemon/logger.ts';
import { testWith } from '../../capabilities.ts';
import { newFolder } from '../../fixtures/cache-server.ts';
import { measurementOf } from '../../fixtures/measurement.ts';

let folder: string;
let path: string;
let logged: { level: string; msg: string; lines?: number }[];
let troubles: (string | undefined)[];
let opened: KeptMeasurements[];
beforeEach(() => {
  folder = newFolder();
  path = join(folder, 'measurements');
  [logged, troubles, opened] = [[], [], []];
});
afterEach(() => {
  for (const kept of opened) kept.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(at = path): Promise<KeptMeasurements> {
  const output = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const { log } = createLog({ daemon: 'test', node: 'node', level: 'info', format: 'json', output });
  const kept = await KeptMeasurements.open({ path: at, log, onTrouble: (reason) => void troubles.push(reason) });
  opened.push(kept);
  return kept;
}

const linesOf = () => readFileSync(path, 'utf8').split('\n').length - 1;

test('what is added is there after a restart, as it was, and which of it the broker has', async () => {
  const kept = await open();
  const [one, two] = [measurementOf('gpu-a'), measurementOf('gpu-b')];
  await kept.add(one);
  await kept.add(two);
  await kept.markStored(one.id);
  await kept.markStored('nobody');
  const again = await open();
  expect(again.all).toEqual([one, two]);
  expect([again.isStored(one), again.isStored(two)]).toEqual([true, false]);
  expect(linesOf()).toBe(3);
});

test('a line that was torn, altered or is no measurement is left out and said, and goes with the next one', async () => {
  const good = measurementOf('gpu-a');
  const bad = (more: object) => seal({ measurement: { ...good, id: '00000000-0000-7000-8000-000000000000', ...more } });
  const wrong = [
    bad({ startTime: 'yesterday' }),
    bad({ gpu: '' }),
    bad({ figures: [{ name: 'fp32', unit: 'GB/s', samples: [1] }] }),
    bad({ figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: [null] }] }),
    bad({ figures: [{ name: 'fp32', unit: 'TFLOP/s', samples: [] }] }),
    bad({ id: 'x' }),
    seal({ measurement: null }),
    'garbage\n',
    seal({ measurement: good }).replace('TFLOP', 'TFLAP'),
  ];
  writeFileSync(path, `${wrong.join('')}${seal({ measurement: good })}${seal({ measurement: good }).slice(0, 40)}`);
  const kept = await open();
  expect(kept.all).toEqual([good]);
  expect(logged).toMatchObject([{ level: 'warn', lines: wrong.length + 1 }]);
  await kept.add(measurementOf('gpu-a'));
  expect(linesOf()).toBe(2);
  await open();
  expect(logged).toHaveLength(1);
});

test('the oldest of a GPU go first, and the file does not grow for ever', { timeout: 60_000 }, async () => {
  const old = Array.from({ length: mostKept.ofGpu }, () => measurementOf('gpu-a'));
  const other = measurementOf('gpu-b');
  writeFileSync(path, [other, ...old].map((measurement) => seal({ measurement })).join(''));
  const kept = await open();
  for (let added = 0; added < mostKept.ofGpu + 40; added++) await kept.add(measurementOf('gpu-a'));
  expect(kept.all).toHaveLength(mostKept.ofGpu + 1);
  expect(kept.all[0]).toEqual(other);
  expect(linesOf()).toBeLessThan(2 * mostKept.ofGpu + 20);
  expect((await open()).all).toEqual(kept.all);
});

test('of all GPUs together so many are kept', async () => {
  const many = Array.from({ length: mostKept.ofAll + 10 }, (_, place) => measurementOf(`gpu-${place % 50}`));
  writeFileSync(path, many.map((measurement) => seal({ measurement })).join(''));
  expect((await open()).all).toEqual(many.slice(10));
});

test('a folder that is not there yet is made', async () => {
  path = join(folder, 'later', 'measurements');
  const kept = await open();
  await kept.add(measurementOf('gpu-a'));
  expect(troubles).toEqual([undefined]);
  expect((await open()).all).toEqual(kept.all);
});

test('a file that nobody can write is trouble; memory goes on, and all is written when it can be', async () => {
  mkdirSync(path);
  const kept = await open();
  await kept.add(measurementOf('gpu-a'));
  expect(kept.all).toHaveLength(1);
  expect(troubles.at(-1)).toContain('EISDIR');
  rmSync(path, { recursive: true });
  await kept.add(measurementOf('gpu-a'));
  expect(troubles.at(-1)).toBeUndefined();
  expect((await open()).all).toEqual(kept.all);
});

testWith('mount')('a full disk takes nothing from what is in memory, and nothing that was written before', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  try {
    const kept = await open();
    await kept.add(measurementOf('gpu-a'));
    const before = kept.all.slice();
    expect(() => writeFileSync(join(folder, 'ballast'), Buffer.alloc(1024 * 1024))).toThrow();
    for (let added = 0; added < 20; added++) await kept.add(measurementOf('gpu-a'));
    expect(kept.all).toHaveLength(21);
    expect(troubles.at(-1)).toContain('ENOSPC');
    expect((await open()).all.slice(0, 1)).toEqual(before);
    rmSync(join(folder, 'ballast'));
    await kept.add(measurementOf('gpu-a'));
    expect(troubles.at(-1)).toBeUndefined();
    expect((await open()).all).toEqual(kept.all);
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
});

test('only its owner reads it', async () => {
  const kept = await open();
  await kept.add(measurementOf('gpu-a'));
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
