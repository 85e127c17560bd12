// Where CUDA's library is looked for, and what is said of each place that will not do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ComputeError } from '../../../src/agent/verification/compute.ts';
import { loadCuda } from '../../../src/agent/verification/cuda/search.ts';

function newRoot(...files: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'driver-root-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'usr/lib64'), { recursive: true });
  for (const file of files) writeFileSync(join(root, 'usr/lib64', file), 'no library');
  return root;
}

/** Of a name that no machine has: what else there is must not matter. */
function failureOf(driverRoot: string): string {
  try {
    loadCuda(driverRoot, 'libcuda-of-nobody.so.1');
  } catch (error) {
    expect(error).toBeInstanceOf(ComputeError);
    expect(error).toMatchObject({ fault: 'absent' });
    return String(error);
  }
  throw new Error('a library was found');
}

test('without a root the name alone is tried', () => {
  expect(failureOf('').match(/libcuda-of-nobody/g)?.length).toBeGreaterThan(0);
  expect(failureOf('')).not.toContain('/usr/lib64/libcuda');
});

test('under the root the file that is there is tried too', () => {
  const root = newRoot('libcuda-of-nobody.so.1');
  expect(failureOf(root)).toContain(join(root, 'usr/lib64/libcuda-of-nobody.so.1'));
  expect(failureOf(root)).not.toContain(join(root, 'usr/lib/'));
});

test('a compiler of PTX that cannot be loaded is said to be in the way', () => {
  const root = newRoot('libcuda-of-nobody.so.1', 'libnvidia-ptxjitcompiler.so.1');
  expect(failureOf(root)).toContain('libnvidia-ptxjitcompiler.so.1');
});
