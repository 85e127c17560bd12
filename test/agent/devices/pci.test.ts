// What the PCI bus shows of GPUs: vendors and classes, with files missing or garbled.
import { expect, test } from 'vitest';
import { HostFiles } from '../../../src/agent/devices/host-files.ts';
import { listGpuFunctions, readLink, recordBusId, sysfsBusId } from '../../../src/agent/devices/pci.ts';
import { createHostTree } from '../../fixtures/host/host-tree.ts';
import { addPciFunction, h100Pci, type PciFiles, removePciFunction } from '../../fixtures/host/pci.ts';

const busId = '0000:3b:00.0';

function hostWith(files: PciFiles, driver?: string) {
  const tree = createHostTree();
  addPciFunction(tree, busId, files, driver);
  return { tree, files: new HostFiles(tree.root) };
}

test('an H100 with its driver', () => {
  const { files } = hostWith(h100Pci, 'nvidia');
  expect(listGpuFunctions(files)).toEqual([
    {
      busId,
      vendor: 'nvidia',
      vendorId: 0x10de,
      deviceId: 0x2330,
      subsystemVendorId: 0x10de,
      subsystemDeviceId: 0x16c1,
      classCode: 0x030200,
      numaNode: 0,
      driver: 'nvidia',
      isVirtual: false,
    },
  ]);
  expect(readLink(files, busId)).toEqual({
    linkGeneration: 5,
    maxLinkGeneration: 5,
    linkWidth: 16,
    maxLinkWidth: 16,
  });
});

test.each([
  ['0x030000', '0x1002', 'amd'],
  ['0x120000', '0x1002', 'amd'],
  ['0x038000', '0x8086', 'intel'],
  ['0x0b4000', '0x10de', 'nvidia'],
  ['0x040300', '0x10de', undefined],
  ['0x068000', '0x10de', undefined],
  ['0x030000', '0x1a03', undefined],
])('class %s of vendor %s: %s', (code, vendor, expected) => {
  const { files } = hostWith({ ...h100Pci, class: code, vendor });
  expect(listGpuFunctions(files)[0]?.vendor).toBe(expected);
});

test('values that are missing or garbled are absent', () => {
  const { files } = hostWith({
    class: '0x030200',
    vendor: '0x10de',
    device: '0x2330',
    numa_node: '-1',
    subsystem_vendor: '????',
    current_link_speed: 'Unknown',
    max_link_speed: '32.0 furlongs',
    current_link_width: '0',
    max_link_width: '255',
  });
  expect(listGpuFunctions(files)).toEqual([
    { busId, vendor: 'nvidia', vendorId: 0x10de, deviceId: 0x2330, classCode: 0x030200, isVirtual: false },
  ]);
  expect(readLink(files, busId)).toEqual({});
});

test.each(['class', 'vendor', 'device'] as const)('without a readable %s there is no GPU', (name) => {
  expect(listGpuFunctions(hostWith({ ...h100Pci, [name]: undefined }).files)).toEqual([]);
  expect(listGpuFunctions(hostWith({ ...h100Pci, [name]: 'garbled' }).files)).toEqual([]);
});

test.each([
  ['2.5 GT/s PCIe', 1],
  ['5 GT/s', 2],
  ['5.0 GT/s PCIe', 2],
  ['8.0 GT/s PCIe', 3],
  ['16.0 GT/s PCIe', 4],
  ['64.0 GT/s PCIe', 6],
  ['133.0 GT/s', undefined],
])('a link at %s is of generation %s', (speed, generation) => {
  expect(readLink(hostWith({ ...h100Pci, current_link_speed: speed }).files, busId).linkGeneration).toBe(generation);
});

test('functions come by address, virtual ones are marked, and one that is removed is gone', () => {
  const { tree, files } = hostWith(h100Pci);
  addPciFunction(tree, '10000:01:00.0', h100Pci, 'vfio-pci');
  const virtual = addPciFunction(tree, '0000:3b:00.4', h100Pci);
  tree.link(`${virtual}/physfn`, `sys/devices/pci0000:00/${busId}`);
  tree.write('sys/bus/pci/devices/not-an-address/class', '0x030200');
  expect(listGpuFunctions(files).map((one) => [one.busId, one.isVirtual, one.driver])).toEqual([
    ['0000:3b:00.0', false, undefined],
    ['0000:3b:00.4', true, undefined],
    ['10000:01:00.0', false, 'vfio-pci'],
  ]);
  removePciFunction(tree, busId);
  expect(listGpuFunctions(files)).toHaveLength(2);
});

test('a tree without a PCI bus has no GPUs', () => {
  expect(listGpuFunctions(new HostFiles(createHostTree().root))).toEqual([]);
});

test.each([
  ['00000000:3B:00.0', '0000:3b:00.0'],
  ['0000:3B:00.0', '0000:3b:00.0'],
  ['00010000:01:00.0', '10000:01:00.0'],
  ['3B:00.0', undefined],
  ['../../etc', undefined],
])('a driver’s address %s is %s in sysfs', (given, sysfs) => {
  expect(sysfsBusId(given)).toBe(sysfs);
  if (sysfs) expect(sysfsBusId(recordBusId(sysfs))).toBe(sysfs);
});
