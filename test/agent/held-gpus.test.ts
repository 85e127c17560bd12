// The broker's word on what is sold, and how it survives.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HeldGpusFile } from '../../src/agent/held-gpus.ts';
import { createLog } from '../../src/daemon/logger.ts';

let folder: string;
let logged: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpb-held-'));
  logged = [];
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

const path = () => join(folder, 'held-gpus.json');
const open = () => {
  const output = { write: (line: string) => void logged.push(JSON.parse(line).msg) };
  return new HeldGpusFile(path(), createLog({ daemon: 'test', node: 'n', level: 'info', format: 'json', output }).log);
};

test('before the broker has said anything nobody knows; then its last word holds, also after a restart', () => {
  const held = open();
  expect(held.has('gpu-a')).toBeUndefined();
  held.keep(['GPU-A', 'gpu-b']);
  expect([held.has('gpu-a'), held.has('GPU-B'), held.has('gpu-c')]).toEqual([true, true, false]);
  held.keep(['gpu-b']);
  const again = open();
  expect([again.has('gpu-a'), again.has('gpu-b')]).toEqual([false, true]);
  again.keep([]);
  expect(open().has('gpu-b')).toBe(false);
});

test('the listener hears of changes, and of nothing else', () => {
  const held = open();
  let changes = 0;
  held.onChange(() => changes++);
  held.keep(['gpu-a', 'gpu-b']);
  held.keep(['gpu-b', 'gpu-a']);
  held.keep([]);
  held.keep([]);
  expect(changes).toBe(2);
});

test('a file that is damaged is said in the log, and written anew with the next word', () => {
  writeFileSync(path(), '{"gpu-a":');
  const held = open();
  expect(held.has('gpu-a')).toBeUndefined();
  expect(logged).toEqual(['what was sold before cannot be read']);
  held.keep(['gpu-a']);
  expect(JSON.parse(readFileSync(path(), 'utf8'))).toEqual(['gpu-a']);
});

test('where it cannot be kept, memory goes on', () => {
  const held = open();
  rmSync(folder, { recursive: true });
  held.keep(['gpu-a']);
  expect(held.has('gpu-a')).toBe(true);
  expect(logged).toContain('what is sold cannot be kept for the next start');
  folder = mkdtempSync(join(tmpdir(), 'gpb-held-'));
});

test('more names than a node has GPUs are not kept', () => {
  const held = open();
  held.keep(Array.from({ length: 2_000 }, (_, at) => `gpu-${at}`));
  expect([held.has('gpu-1023'), held.has('gpu-1024')]).toEqual([true, false]);
});
