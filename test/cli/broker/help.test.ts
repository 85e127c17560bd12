// The help of every command of the tree.
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { isDaemonCommand } from '../../../src/cli/daemons.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { command } from '../command.ts';

/** The words of every command that talks to a broker. */
function leaves(at: Command, words: readonly string[] = []): string[][] {
  const children = at.createHelp().visibleCommands(at);
  if (children.length > 0) return children.flatMap((child) => leaves(child, [...words, child.name()]));
  return at.options.some(({ long }) => long === '--broker') ? [[...words]] : [];
}

const all = leaves(createProgram(() => undefined));

test('there are many', () => {
  expect(all.length).toBeGreaterThan(70);
  expect(all.filter(([first]) => isDaemonCommand(first))).toEqual([]);
});

test.each(all.map((words) => [words.join(' '), words] as const))('%s', async (name, words) => {
  const { code, stdout, stderr } = await command(...words, '--help');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`Usage: gpubroker ${name} [options]`);
  expect(stdout).toContain('Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 ');
  expect(stdout).toContain(`\nExample:\n  gpubroker ${name}`);
  expect(stdout).toMatch(/--json +print JSON/);
  for (const line of stdout.split('\n')) expect(line).not.toMatch(/undefined|\[object/);
});
