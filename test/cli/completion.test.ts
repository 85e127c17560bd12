// The completion scripts, the one for bash run by a real bash.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { command } from './command.ts';

let folder: string;
let script: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'completion-'));
  script = join(folder, 'gpubroker.bash');
  writeFileSync(script, (await command('completion', 'bash')).stdout);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers after these words; the last is being typed. */
function complete(...words: string[]): string[] {
  const typed = words.map((word) => `'${word}'`).join(' ');
  const ask = `source ${script}; COMP_WORDS=(${typed}); COMP_CWORD=${words.length - 1}; _gpubroker; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', ask], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

test.each([
  [['gpubroker', 'g'], ['gpus']],
  [
    ['gpubroker', 'gpus', ''],
    ['list', 'get', 'describe', 'watch', 'declare-reset', 'search', 'show', 'maintenance', '--help'],
  ],
  [['gpubroker', 'gpus', 'list', '--j'], ['--json']],
  [
    ['gpubroker', 'gpus', 'list', '--socket', '/x', '--t'],
    ['--tls-ca', '--timeout'],
  ],
  [['gpubroker', 'acc'], ['accounts']],
  [
    ['gpubroker', 'bench', ''],
    ['devices', 'run', 'show', 'compare', '--help'],
  ],
  [
    ['gpubroker', 'bench', 'compare', 'gpu-a', '--w'],
    ['--with', '--with-gpu'],
  ],
  [['gpubroker', 'users', 'create', 'ada@example.org', '--r'], ['--role']],
  [
    ['gpubroker', 'gpus', 'maintenance', '0198', 'o'],
    ['on', 'off'],
  ],
  [
    ['gpubroker', 'gpus', 'search', '--memory'],
    ['--memory-gb-min', '--memory-gb-max'],
  ],
  [['gpubroker', 'log-level', 'd'], ['debug']],
  [
    ['gpubroker', 'completion', ''],
    ['bash', 'zsh', 'fish', '--help'],
  ],
  [
    ['gpubroker', 'agent', '--probe-i'],
    ['--probe-interval', '--probe-init-deadline'],
  ],
  [['gpubroker', 'cache-server', '--probe-i'], []],
  [['gpubroker', 'config', 'p'], ['print']],
])('%j', (words, expected) => {
  expect(complete(...words)).toEqual(expected);
});

test.each([
  [
    'zsh',
    [
      '#compdef gpubroker',
      'compadd',
      "' gpus') words_here='list get describe watch declare-reset search show maintenance --help'",
    ],
  ],
  [
    'fish',
    [
      'complete -c gpubroker',
      "case ' gpus'\n      string split ' ' 'list get describe watch declare-reset search show maintenance --help'",
    ],
  ],
])('%s', async (shell, parts) => {
  const { stdout } = await command('completion', shell);
  for (const part of parts) expect(stdout).toContain(part);
});
