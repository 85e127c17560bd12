// The PTX that is committed: made of the sources beside it, and taken by the assembler for every architecture.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ptxPrograms, sourceDigest } from '../../../src/agent/verification/cuda/programs.ts';
import { testWith } from '../../capabilities.ts';

const folder = join(import.meta.dirname, '../../../src/agent/verification/kernels');
const architectures = [75, 80, 86, 89, 90, 100, 120];
const textOf = (file: string) => readFileSync(join(folder, file), 'utf8');

test.each(ptxPrograms)(
  '$file is made of $source as it is now (`make kernels`)',
  ({ file, source, capability, isa }) => {
    const text = textOf(file);
    expect(text).toContain(`source sha256 ${sourceDigest(textOf(source))}\n`);
    expect(text).toContain(`\n.version ${isa}\n.target sm_${capability}\n`);
  },
);

const assembled = ptxPrograms.flatMap((program) =>
  architectures.filter((one) => one >= program.capability).map((one) => [program.file, one] as const),
);

testWith('ptxas').each(assembled)(
  '%s for sm_%i, without spilling registers',
  { timeout: 60_000 },
  (file, architecture) => {
    const { status, stderr } = spawnSync('ptxas', ['-v', `-arch=sm_${architecture}`, file, '-o', '/dev/null'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    const spills = [...stderr.matchAll(/(\d+) bytes spill (?:stores|loads)/g)].map(([, bytes]) => bytes);
    expect(spills.length).toBeGreaterThan(0);
    expect(new Set(spills)).toEqual(new Set(['0']));
  },
);

testWith('ptxas')('the assembler that says so is a real one', () => {
  expect(execFileSync('ptxas', ['--version'], { encoding: 'utf8' })).toMatch(/ptx optimizing assembler/i);
});
