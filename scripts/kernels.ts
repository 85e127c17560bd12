// Makes the PTX of the CUDA kernels, for whoever changes them: needs nvcc of CUDA 12 or 13. What it makes is committed,
// for nobody else shall need a toolkit. A test finds PTX that is older than its source.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ptxPrograms, sourceDigest } from '../src/agent/verification/cuda/programs.ts';

const folder = join(import.meta.dirname, '../src/agent/verification/kernels');
const scratch = mkdtempSync(join(tmpdir(), 'gpubroker-kernels-'));
try {
  for (const { file, source, capability, isa } of ptxPrograms) {
    const made = join(scratch, file);
    const flags = ['-ptx', '-O3', `-arch=compute_${capability}`, '-o', made, source];
    execFileSync('nvcc', flags, { cwd: folder, stdio: 'inherit' });
    // The oldest version of the instruction set that has all that is used, so that older drivers take it. What nvcc says
    // of itself, and where names come from, says nothing to a driver.
    const text = readFileSync(made, 'utf8')
      .replace(/^\.version .*$/m, `.version ${isa}`)
      .replace(/^\/\/.*\n/gm, '');
    const digest = sourceDigest(readFileSync(join(folder, source), 'utf8'));
    const head = `// Made of ${source} by: make kernels\n// nvcc ${flags.slice(0, 3).join(' ')}, then .version ${isa}\n// source sha256 ${digest}\n`;
    writeFileSync(join(folder, file), head + text.trimStart());
    process.stdout.write(`${file}\n`);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
