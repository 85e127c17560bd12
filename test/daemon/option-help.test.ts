// The help text names every option with its default, and shows an example.
import { expect, test } from 'vitest';
import { agentOptions } from '../../src/daemon/node-options.ts';
import { asksForHelp, helpText } from '../../src/daemon/option-flags.ts';

test('every option is in the help text', async () => {
  const help = await helpText('gpubroker agent', 'Serves GPUs.', agentOptions.table, [['gpubroker agent', 'Serve']]);
  for (const name of Object.keys(agentOptions.table)) expect(help).toContain(`--${name} `);
  expect(help).toMatch(/Usage: gpubroker agent \[options\]\n\nServes GPUs\./);
  expect(help).toMatch(/--shutdown-delay .*\n?.*\[default: 5s\]/);
  expect(help).toMatch(/Examples:\n {2}gpubroker agent {2}Serve/);
});

test.each([
  [['--help'], true],
  [['--health-port', '1', '-h'], true],
  [['--health-port', '1'], false],
])('%j asks for help: %s', (argv, expected) => {
  expect(asksForHelp(argv)).toBe(expected);
});
