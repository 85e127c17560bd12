// `gpus declare-reset` says what happens next, or why it is refused; against a real cache with the agent's health rules.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type JudgedGpus, startJudgedGpus } from '../fixtures/judged-gpus.ts';
import { command, type Outcome } from './command.ts';

let node: JudgedGpus;
beforeEach(async () => {
  node = await startJudgedGpus();
  node.look('GPU-A');
});
afterEach(() => node.remove());

const declare = (...argv: string[]): Promise<Outcome> =>
  command('gpus', 'declare-reset', ...argv, '--socket', node.server.socket);

test('says when the GPU is healthy again', async () => {
  node.xid('GPU-A', 79);
  expect(await declare('gpu-a')).toEqual({
    code: 0,
    stdout: 'gpu-a counts as reset; healthy after 1m without trouble, if its probe then succeeds\n',
    stderr: '',
  });
  expect(JSON.parse((await declare('gpu-a', '--json')).stdout)).toEqual({ name: 'gpu-a', quietPeriodMillis: 60_000 });
});

test('says why it is refused', async () => {
  expect(await declare('gpu-a')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('gpu-a has not failed'),
  });
  expect(await declare('gpu-x')).toMatchObject({ code: 3, stderr: expect.stringContaining('no GPU is named gpu-x') });
});

test('--help says what it counts for, with an example', async () => {
  const { code, stdout } = await command('gpus', 'declare-reset', '--help');
  expect(code).toBe(0);
  expect(stdout).toContain('which failed was reset');
  expect(stdout).toMatch(/quiet period/);
  expect(stdout).toMatch(/Example:\n {2}gpubroker gpus declare-reset \S+/);
});
