// What others wrote never commands the operator's terminal.
import { afterEach, expect, test, vi } from 'vitest';
import { coloured, formatTable, oneLine, print, printJson, remark } from '../../src/cli/output.ts';
import { command } from './command.ts';
import { gpu, h100, startNodeServer } from './node-server.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Clears the screen, sets the title, and begins a line of its own. */
const hostile = '\u001b[2J\u001b]0;title\u0007\r\nfake\u007f\u009b1m\u202e';
const shown = '␛[2J␛]0;title␇␍␊fake␡�1m�';

test('what a terminal obeys becomes visible', () => {
  expect(oneLine(hostile)).toBe(shown);
  expect(oneLine('plain – “text” 日本語')).toBe('plain – “text” 日本語');
});

test('our own colours stay, those of others do not', () => {
  vi.stubEnv('FORCE_COLOR', '1');
  const ours = coloured('green', 'fine');
  expect(ours).toContain('\u001b[32m');
  expect(oneLine(`${ours} \u001b[31mred\u001b[39m \u001b[8m`)).toBe(`${ours} ␛[31mred␛[39m ␛[8m`);
  expect(coloured('yellow', hostile)).toContain(shown);
});

test('a cell keeps to its row, and a remark to its line', () => {
  expect(formatTable([['a\nb', 'c']])).toBe('a␊b  c');
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  remark('one\ntwo');
  expect(stderr).toHaveBeenCalledExactlyOnceWith('one␊two\n');
});

test('a text of several lines stays one; JSON keeps every character, escaped', () => {
  const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  print('one\ntwo\u001b[2J');
  expect(stdout).toHaveBeenLastCalledWith('one\ntwo␛[2J\n');
  printJson({ hostile });
  const json = String(stdout.mock.lastCall?.[0]);
  expect(json).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  expect(JSON.parse(json)).toEqual({ hostile });
});

test('no command passes on what a provider reports', async () => {
  const node = await startNodeServer();
  try {
    const bad = gpu('gpu-a', 'Ready=False:Lost');
    for (const condition of bad.status?.conditions ?? [])
      Object.assign(condition, { reason: hostile, message: hostile });
    node.put(bad);
    node.devices.push({ ...h100('gpu-a'), model: hostile, health: 'unhealthy' });
    node.status = { ...node.status, notReadyReasons: [hostile], warnings: [hostile], logLevel: hostile };
    for (const words of ['gpus list', 'gpus get gpu-a', 'gpus describe gpu-a', 'status', 'log-level']) {
      const { stdout, stderr } = await command(...words.split(' '), '--socket', node.socket);
      expect(stdout).toContain('␛[2J');
      expect(stdout + stderr).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    }
    node.failure = { code: 13, details: hostile };
    const { stderr } = await command('status', '--socket', node.socket);
    expect(stderr).toMatch(/^gpubroker: the daemon refused: .*\[GPUB_CALL_FAILED\]\n {2}.*\n$/);
  } finally {
    node.stop();
  }
});
