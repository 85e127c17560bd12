// What NVIDIA's kernel module says in procfs, in the spellings of its kinds.
import { expect, test } from 'vitest';
import { HostFiles } from '../../../src/agent/devices/host-files.ts';
import { readWitnesses } from '../../../src/agent/devices/witnesses.ts';
import { createHostTree } from '../../fixtures/host/host-tree.ts';

const record = { index: 0, uuid: 'GPU-1', vendor: 'nvidia' as const, pci: { busId: '00000000:3B:00.0' } };

function versionOf(files: Readonly<Record<string, string>>): string | undefined {
  const tree = createHostTree();
  for (const [path, text] of Object.entries(files)) tree.write(path, text);
  return readWitnesses(new HostFiles(tree.root), record)?.kernelModule?.version;
}

test.each([
  [
    'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Mar 11 17:42:08 UTC 2025\nGCC version: 12.2.0\n',
    '550.163.01',
  ],
  ['NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@x)\n', '580.65.06'],
  ['NVRM version: NVIDIA UNIX aarch64 Kernel Module  470.42\n', '470.42'],
  ['NVRM version: none\n', undefined],
  ['', undefined],
])('%j is of version %s', (text, version) => {
  expect(versionOf({ 'proc/driver/nvidia/version': text })).toBe(version);
});

test('where procfs is not to be seen, sysfs has the version', () => {
  expect(versionOf({ 'sys/module/nvidia/version': '580.65.06\n' })).toBe('580.65.06');
});

test('nothing is read of a MIG instance, nor at an address that is none', () => {
  const tree = createHostTree();
  tree.write('sys/module/nvidia/version', '580.65.06\n');
  const files = new HostFiles(tree.root);
  expect(readWitnesses(files, { ...record, parent: 'GPU-0' })).toBeUndefined();
  expect(readWitnesses(files, { ...record, pci: { busId: '../../../etc' } })).toBeUndefined();
});
