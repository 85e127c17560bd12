// Which GPUs count as missing, and which do not.
import { expect, test } from 'vitest';
import type { PciFunction } from '../../../src/agent/devices/pci.ts';
import { describeMissing, MissingGpus } from '../../../src/agent/health/missing-gpus.ts';

const gpu = (uuid: string, busId: string, parent?: string) => ({
  uuid,
  record: { index: 0, uuid, vendor: 'nvidia' as const, pci: { busId }, ...(parent !== undefined && { parent }) },
});
const onBus = (busId: string, more: Partial<PciFunction> = {}): PciFunction => ({
  busId,
  vendor: 'nvidia',
  vendorId: 0x10de,
  deviceId: 0x2330,
  classCode: 0x030200,
  driver: 'nvidia',
  isVirtual: false,
  ...more,
});

test('one that was there and is gone, until it returns', () => {
  const missing = new MissingGpus();
  missing.seen(gpu('GPU-A', '00000000:3B:00.0'));
  expect(describeMissing(missing.missing())).toBeUndefined();
  missing.removed('GPU-A');
  expect(missing.missing().gone).toEqual(['gpu-a']);
  expect(describeMissing(missing.missing())).toBe('here before and gone: gpu-a');
  expect(missing.seen(gpu('GPU-A', '00000000:3B:00.0'))).toBe(true);
  expect(missing.missing().gone).toEqual([]);
});

test('an instance that was taken apart is none', () => {
  const missing = new MissingGpus();
  missing.seen(gpu('MIG-1', '00000000:3B:00.0', 'GPU-A'));
  missing.removed('MIG-1');
  expect(missing.missing()).toEqual({ gone: [], unshown: [] });
});

test('one on the PCI bus under the driver that does not show it', () => {
  const missing = new MissingGpus();
  missing.seen(gpu('GPU-A', '00000000:3B:00.0'));
  missing.compare([onBus('0000:3b:00.0'), onBus('0000:5e:00.0')], 'nvidia');
  expect(missing.missing().unshown).toEqual(['0000:5e:00.0']);
  expect(describeMissing(missing.missing())).toContain('not shown by the driver: 0000:5e:00.0');
  missing.seen(gpu('GPU-B', '00000000:5E:00.0'));
  missing.compare([onBus('0000:3b:00.0'), onBus('0000:5e:00.0')], 'nvidia');
  expect(missing.missing().unshown).toEqual([]);
});

test.each<[string, Partial<PciFunction>]>([
  ['that a virtual machine has', { driver: 'vfio-pci' }],
  ['without a driver', { driver: undefined as never }],
  ['that is a virtual function', { isVirtual: true }],
])('one on the PCI bus %s belongs to somebody else', (_, more) => {
  const missing = new MissingGpus();
  missing.compare([onBus('0000:3b:00.0', more)], 'nvidia');
  expect(missing.missing().unshown).toEqual([]);
});
