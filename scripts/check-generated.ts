// Fails when src/wire is not what proto/ generates now.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'generated-'));
try {
  for (const name of ['proto', 'buf.yaml', 'buf.gen.yaml']) cpSync(name, join(folder, name), { recursive: true });
  execFileSync('buf', ['generate'], { cwd: folder, stdio: 'inherit' });
  execFileSync('node', [resolve('scripts/descriptors.ts')], { cwd: folder, stdio: 'inherit' });
  execFileSync('diff', ['-r', 'src/wire', join(folder, 'src/wire')], { stdio: 'inherit' });
} catch {
  console.error('src/wire is not what proto/ generates: run `make generate` and commit the result');
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
