// Files below the host root: what cannot be read is absent, and nothing outside of the root is ever read.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HostFiles } from '../../../src/agent/devices/host-files.ts';
import { createHostTree } from '../../fixtures/host/host-tree.ts';

function treeWith(text: string | Uint8Array) {
  const tree = createHostTree();
  tree.write('sys/value', text);
  return { tree, files: new HostFiles(tree.root) };
}

test.each([
  ['42\n', 42],
  ['0x1f\n', 31],
  ['0\n', 0],
  ['-1\n', undefined],
  ['12.5\n', undefined],
  ['', undefined],
  ['\n\n', undefined],
  ['1\n2\n', undefined],
  ['0x\n', undefined],
  ['99999999999999999999\n', undefined],
  ['N/A\n', undefined],
  ['1\u0000\n', undefined],
])('%j is the number %s', (text, value) => {
  expect(treeWith(text).files.integer('sys/value')).toBe(value);
});

test('a line is printable, and no longer than a value is', () => {
  expect(treeWith('Instinct MI300X\n').files.line('sys/value')).toBe('Instinct MI300X');
  expect(treeWith(Uint8Array.of(0xff, 0xfe, 0x41)).files.line('sys/value')).toBeUndefined();
  expect(treeWith('x'.repeat(257)).files.line('sys/value')).toBeUndefined();
  expect(treeWith('\u001b[31mred').files.line('sys/value')).toBeUndefined();
});

test('of an endless file the beginning is read', () => {
  const { tree, files } = treeWith('line\n'.repeat(100_000));
  expect(files.lines('sys/value')?.length).toBe(Math.ceil(65_536 / 5));
  tree.remove('sys/value');
  expect(files.lines('sys/value')).toBeUndefined();
});

test('a pipe that nobody writes to, and a folder, are absent', () => {
  const { tree, files } = treeWith('');
  execFileSync('mkfifo', [join(tree.root, 'sys/pipe')]);
  expect(files.line('sys/pipe')).toBeUndefined();
  expect(files.line('sys')).toBeUndefined();
});

test('links within the root are followed, those that lead out of it are not', () => {
  const outside = mkdtempSync(join(tmpdir(), 'outside-'));
  onTestFinished(() => rmSync(outside, { recursive: true }));
  writeFileSync(join(outside, 'value'), '666\n');
  const { tree, files } = treeWith('7\n');
  tree.link('sys/class/link', 'sys/value');
  tree.linkRaw('sys/escape', join(outside, 'value'));
  tree.linkRaw('sys/folder', outside);
  expect(files.integer('sys/class/link')).toBe(7);
  expect(files.integer('sys/escape')).toBeUndefined();
  expect(files.integer('sys/folder/value')).toBeUndefined();
  expect(files.names('sys/folder')).toEqual([]);
  expect(files.exists('sys/folder/value')).toBe(false);
  expect(files.linkName('sys/folder/value')).toBeUndefined();
  expect(files.integer(`../${outside.split('/').at(-1)}/value`)).toBeUndefined();
});

test('a link says its last name, also one that leads nowhere', () => {
  const { tree, files } = treeWith('');
  tree.linkRaw('sys/driver', '../../bus/pci/drivers/nvidia');
  expect(files.linkName('sys/driver')).toBe('nvidia');
  expect(files.linkName('sys/value')).toBeUndefined();
});

test('a root that does not exist shows nothing', () => {
  const files = new HostFiles('/no/such/root');
  expect(files.names('sys')).toEqual([]);
  expect(files.line('etc/hostname')).toBeUndefined();
});
