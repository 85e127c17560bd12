// Before all tests: builds the program that the end-to-end tests run, unless it is fresh, and prints the seed of the
// property tests so that a failure can be replayed.
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    seed: number;
  }
}

export function setup({ config, provide }: TestProject): void {
  const built = modified('dist/gpubroker.js');
  if (['build.ts', 'package.json', ...globSync('src/**/*.ts')].some((source) => modified(source) > built)) {
    execFileSync(process.execPath, ['build.ts'], { stdio: 'inherit' });
  }
  const seed = config.env.FC_SEED;
  process.stdout.write(`property tests: seed ${seed} (replay with FC_SEED=${seed})\n`);
  provide('seed', Number(seed));
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
