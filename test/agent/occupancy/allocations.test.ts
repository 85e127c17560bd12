// How devices are found by the names that device plugins give them.
import { expect, test } from 'vitest';
import { readAllocations } from '../../../src/agent/occupancy/allocations.ts';
import { ListPodResourcesResponse } from '../../../src/wire/kubelet/podresources/v1/api.ts';

const id = 'GPU-8f2c1d90-3e5a-4b17-9c2e-5da9abb51763';
const other = 'GPU-11111111-3e5a-4b17-9c2e-5da9abb51763';
const gpu = { uuid: id, vendor: 'nvidia', pci: { busId: '00000000:3B:00.0' } } as const;

type Containers = NonNullable<Parameters<typeof ListPodResourcesResponse.fromPartial>[0]['podResources']>;
const said = (...podResources: Containers) =>
  readAllocations(ListPodResourcesResponse.fromPartial({ podResources }))(gpu as never);
const pod = (resourceName: string, ...deviceIds: string[]) => ({
  namespace: 'team',
  name: 'train',
  containers: [{ name: 'main', devices: [{ resourceName, deviceIds }] }],
});
const claim = (driverName: string, deviceName: string, ...cdi: string[]) => ({
  namespace: 'team',
  name: 'train',
  containers: [
    {
      name: 'main',
      dynamicResources: [{ claimResources: [{ driverName, deviceName, cdiDevices: cdi.map((name) => ({ name })) }] }],
    },
  ],
});
const held = { holders: ['team/train/main'], unknown: false };
const free = { holders: [], unknown: false };
const unknown = { holders: [], unknown: true };

test.each([
  ['its UUID', pod('nvidia.com/gpu', id), held],
  ['its UUID in capitals', pod('nvidia.com/gpu', id.toUpperCase()), held],
  ['a share of it', pod('nvidia.com/gpu.shared', `${id}::3`), held],
  ['its PCI address', pod('nvidia.com/GH100_H100', '0000:3b:00.0'), held],
  ['its PCI address in full', pod('amd.com/gpu', '00000000:3B:00.0'), held],
  ['any resource whose device has its UUID', pod('example.org/accelerator', id), held],
  ['a claim that names its UUID', claim('gpu.nvidia.com', 'gpu-0', `k8s.gpu.nvidia.com/device=${id}`), held],
  ['another UUID', pod('nvidia.com/gpu', other), free],
  ['another PCI address', pod('amd.com/gpu', '0000:3c:00.0'), free],
  ['a network card of its vendor', pod('nvidia.com/hostdev', 'enp59s0'), free],
  ['a GPU of another vendor, by a name of its own', pod('gpu.intel.com/i915', 'card0-0'), free],
  ['some GPU of its vendor, by a name of its own', pod('nvidia.com/gpu', '0'), unknown],
  ['a claim of some GPU of its vendor', claim('gpu.nvidia.com', 'gpu-0', 'k8s.gpu.nvidia.com/claim=1-gpu-0'), unknown],
  ['what only watches GPUs', pod('gpu.intel.com/i915_monitoring', 'all'), free],
] as const)('a pod that holds %s', (_what, holder, expected) => {
  expect(said(holder as Containers[number])).toEqual(expected);
});

test('without pods it is free', () => {
  expect(said()).toEqual(free);
});

test('every holder is named once, in order; beyond sixteen no more', () => {
  const pods = Array.from({ length: 20 }, (_, at) => ({
    ...pod('nvidia.com/gpu', id, `${id}::1`),
    name: `p${at + 10}`,
  }));
  const { holders } = said(...pods.toReversed());
  expect(holders).toHaveLength(16);
  expect(holders).toEqual([...new Set(holders)].sort());
});
