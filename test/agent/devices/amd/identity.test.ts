// Who an AMD card is: the same after every start, told by the best that the card says of itself.
import { expect, test } from 'vitest';
import { createAmdSource } from '../../../../src/agent/devices/amd/source.ts';
import { addMi300x, type CardFiles } from '../../../fixtures/host/amd-cards.ts';
import { createHostTree } from '../../../fixtures/host/host-tree.ts';

interface Machine {
  readonly files?: CardFiles;
  readonly machineId?: string;
  readonly busId?: string;
  readonly nodeName?: string;
}

function uuidOn({ files = {}, machineId, busId = '0000:85:00.0', nodeName = 'node-1' }: Machine): string {
  const tree = createHostTree();
  if (machineId) tree.write('etc/machine-id', `${machineId}\n`);
  addMi300x(tree, busId, files);
  const source = createAmdSource({ hostRoot: tree.root, nodeName });
  source.open();
  return source.check(0).uuid;
}

const nameless: CardFiles = { unique_id: undefined, serial_number: undefined };

test.each<[CardFiles, string]>([
  [{}, 'GPU-a1b2c3d4e5f60718'],
  [{ unique_id: '0xA1B2' }, 'GPU-000000000000a1b2'],
  [{ unique_id: '0000000000000000' }, 'SERIAL-692234000123'],
  [{ unique_id: 'not hex' }, 'SERIAL-692234000123'],
])('a card that says %j is %s', (files, uuid) => {
  expect(uuidOn({ files })).toBe(uuid);
  expect(uuidOn({ files, busId: '0000:05:00.0', nodeName: 'other' })).toBe(uuid);
});

test.each(['N/A', '0', 'Unknown', '../../x'])('a serial number of %j names nobody', (serial) => {
  expect(uuidOn({ files: { ...nameless, serial_number: serial } })).toMatch(/^PCI-/);
});

test('a card that says nothing is its slot in its machine and node', () => {
  const uuid = uuidOn({ files: nameless, machineId: 'a'.repeat(32) });
  expect(uuid).toMatch(/^PCI-[0-9a-f]{16}$/);
  expect(uuidOn({ files: nameless, machineId: 'a'.repeat(32) })).toBe(uuid);
  expect(uuidOn({ files: nameless, machineId: 'b'.repeat(32) })).not.toBe(uuid);
  expect(uuidOn({ files: nameless, machineId: 'a'.repeat(32), busId: '0000:05:00.0' })).not.toBe(uuid);
  expect(uuidOn({ files: nameless, machineId: 'a'.repeat(32), nodeName: 'node-2' })).not.toBe(uuid);
});
