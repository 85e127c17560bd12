// Before all tests: builds the program that the end-to-end tests run, unless it is fresh, and prints the seed of the
// property tests so that a failure can be replayed.
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';

export function setup(): void {
  const built = modified('dist/gpubroker.js');
  if (['build.ts', 'package.json', ...globSync('src/**/*.ts')].some((source) => modified(source) > built)) {
    execFileSync(process.execPath, ['build.ts'], { stdio: 'inherit' });
  }
  process.env.FC_SEED ??= String(Date.now() % 0x7fffffff);
  process.stdout.write(`property tests: seed ${process.env.FC_SEED} (replay with FC_SEED=${process.env.FC_SEED})\n`);
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
