// Which GPU an OpenCL device is: what its driver says of that, in the spellings of NVML and of sysfs.
import { expect, test } from 'vitest';
import { identityOf } from '../../../../src/agent/verification/opencl/device.ts';
import { deviceInfo } from '../../../../src/agent/verification/opencl/library.ts';

const saying = (answers: Record<number, Buffer>) => (name: number, length: number) =>
  answers[name]?.length === length ? answers[name] : undefined;
const place = Buffer.alloc(16);
place.writeUInt32LE(1, 0);
place.writeUInt32LE(0x85, 4);
place.writeUInt32LE(0x1f, 8);
const topology = Buffer.alloc(24);
topology.writeUInt32LE(1, 0);
topology.set([0x3b, 0, 1], 21);

test("NVIDIA's device is known by its uuid", () => {
  const uuid = Buffer.from('4f1f0000111122223333444455556666', 'hex');
  expect(identityOf('NVIDIA Corporation', ['cl_khr_device_uuid'], saying({ [deviceInfo.uuid]: uuid }))).toEqual({
    uuid: 'GPU-4f1f0000-1111-2222-3333-444455556666',
  });
});

test('others are known by their place on the PCI bus', () => {
  const answers = saying({ [deviceInfo.pciBusInfo]: place, [deviceInfo.topologyAmd]: topology });
  expect(identityOf('Intel(R) Corporation', ['cl_khr_pci_bus_info'], answers)).toEqual({ pciBusId: '0001:85:1f.0' });
  expect(identityOf('Advanced Micro Devices, Inc.', ['cl_amd_device_attribute_query'], answers)).toEqual({
    pciBusId: '0000:3b:00.1',
  });
});

test('a driver that does not list the extension is not asked, and one that answers otherwise is not believed', () => {
  expect(identityOf('Intel(R) Corporation', [], saying({ [deviceInfo.pciBusInfo]: place }))).toEqual({});
  const short = saying({ [deviceInfo.pciBusInfo]: place.subarray(8) });
  expect(identityOf('Intel(R) Corporation', ['cl_khr_pci_bus_info'], short)).toEqual({});
});
