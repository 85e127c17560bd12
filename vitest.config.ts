// How the tests run: real processes and sockets take time, and coverage is a gate.
import { randomInt } from 'node:crypto';
import { defineConfig } from 'vitest/config';
import { has } from './test/capabilities.ts';

/** The fake driver is built by the machine's C compiler, and all that follows from it needs one. */
const needCompiler = [
  'test/agent/devices/nvml/**',
  'test/agent/devices/nvml-driver.test.ts',
  'test/agent/devices/intel/level-zero.test.ts',
  'test/e2e/**',
];
const lacksCompiler = !has('c-compiler');
if (lacksCompiler) {
  if (process.env.REQUIRE_ALL === '1') throw new Error('REQUIRE_ALL=1, and this machine lacks a C compiler (cc)');
  console.warn(`skipped, for want of a C compiler (cc): ${needCompiler.join(', ')}`);
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: lacksCompiler ? needCompiler : [],
    globalSetup: ['test/setup.ts'],
    // Of the property tests, which run in processes of their own: new in each run, unless one is to be replayed.
    env: { FC_SEED: process.env.FC_SEED ?? String(randomInt(2 ** 31)) },
    pool: 'forks',
    // More than cores, for most tests wait for others: 528 s instead of 719 s on two cores.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A machine that does other things too is slow for a moment; what never comes is waited for only once.
    expect: { poll: { timeout: 10_000 } },
    reporters: ['default', ['json', { outputFile: 'coverage/results.json' }]],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      // Generated code, and entry points that only run as processes of their own.
      exclude: ['src/wire/**', 'src/agent/devices/probe.ts', 'src/cli/main.ts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: 80 },
    },
  },
});
