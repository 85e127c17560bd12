// The options of the device plugin: what a resource may be called, and what does not go together.
import { expect, test } from 'vitest';
import { devicePluginOptions } from '../../src/daemon/device-plugin-options.ts';
import { OptionsError } from '../../src/daemon/errors.ts';
import { resolveOptions } from '../../src/daemon/options.ts';

const resolve = (...argv: string[]) => resolveOptions(devicePluginOptions, { argv, environment: {} }).values;
const codes = (...argv: string[]) => {
  try {
    resolve(...argv);
    return [];
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    return error.errors.map(({ code }) => code);
  }
};

test.each(['nvidia.com/gpu', 'amd.com/gpu', 'gpu.intel.com/i915', 'example.org/H100_80GB.large-1'])(
  'a resource may be called %s',
  (name) => {
    expect(resolve('--resource-name', name).resourceName).toBe(name);
  },
);

test.each([
  'gpu',
  'nvidia/gpu',
  'nvidia.com/',
  '/gpu',
  'nvidia.com/gpu/shared',
  'NVIDIA.com/gpu',
  'nvidia.com/-gpu',
  'nvidia.com/../gpu',
  `nvidia.com/${'g'.repeat(64)}`,
  `${'n'.repeat(250)}.com/gpu`,
])('a resource may not be called %s', (name) => {
  expect(codes('--resource-name', name)).toEqual(['GPUB_OPTION_INVALID']);
});

test('two services on one port are refused, and so are words that mean nothing', () => {
  expect(codes('--health-port', '9091')).toEqual(['GPUB_OPTION_CONFLICT']);
  expect(codes('--mig-strategy', 'all', '--allocate', 'volume-mounts', '--lost-after', '1d')).toEqual([
    'GPUB_OPTION_INVALID',
    'GPUB_OPTION_INVALID',
    'GPUB_OPTION_INVALID',
  ]);
});
