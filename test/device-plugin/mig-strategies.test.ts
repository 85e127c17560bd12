// What is offered of GPUs in MIG mode, by strategy.
import { describe, expect, test } from 'vitest';
import { offersOf } from '../../src/device-plugin/offers.ts';
import { Device } from '../../src/wire/gpubroker/device/v1/device_details.ts';

const base = { source: 'nvml', vendor: 'nvidia', health: 'healthy' };
const whole = (index: number, more = {}) =>
  Device.fromPartial({ ...base, name: `gpu-${index}`, uuid: `GPU-${index}`, index, ...more });
const split = (index: number, more = {}) => whole(index, { mig: { enabled: true }, ...more });
const instance = (parent: number, at: number, profile: string | undefined, more = {}) =>
  Device.fromPartial({
    ...base,
    name: `mig-${parent}-${at}`,
    uuid: `MIG-${parent}-${at}`,
    index: parent,
    parent: `gpu-${parent}`,
    migInstance: { gpuInstance: at, profile },
    ...more,
  });

const offered = (devices: Device[], migStrategy: 'none' | 'single' | 'mixed', lost = '') => {
  const { resources, problems } = offersOf(devices, { resourceName: 'nvidia.com/gpu', migStrategy }, lost);
  const ids = [...resources].map(([name, offers]) => [name, offers.map(({ id }) => id)]);
  return { resources: Object.fromEntries(ids), problems };
};
const usable = (devices: Device[], lost = '') => {
  const { resources } = offersOf(devices, { resourceName: 'nvidia.com/gpu', migStrategy: 'mixed' }, lost);
  return Object.fromEntries([...resources.values()].flat().map(({ id, unusable }) => [id, unusable]));
};

const uniform = [split(1), instance(1, 2, '1g.10gb'), split(0), instance(0, 1, '1g.10gb'), instance(1, 1, '1g.10gb')];
const various = [
  whole(0),
  split(1),
  instance(1, 1, '1g.10gb'),
  instance(1, 2, '1g.10gb+me'),
  instance(1, 3, '2g.20gb'),
];

describe('none', () => {
  test('offers GPUs that are not split, and no instance', () => {
    expect(offered(various, 'none')).toEqual({ resources: { 'nvidia.com/gpu': ['GPU-0'] }, problems: [] });
    expect(offered(uniform, 'none')).toEqual({ resources: { 'nvidia.com/gpu': [] }, problems: [] });
  });
});

describe('single', () => {
  test('offers all instances as the resource, GPU by GPU', () => {
    const instances = ['MIG-0-1', 'MIG-1-1', 'MIG-1-2'];
    expect(offered(uniform, 'single')).toEqual({ resources: { 'nvidia.com/gpu': instances }, problems: [] });
  });

  test('offers whole GPUs where none is split', () => {
    expect(offered([whole(1), whole(0)], 'single').resources).toEqual({ 'nvidia.com/gpu': ['GPU-0', 'GPU-1'] });
  });

  test.each([
    [
      'the instances have the profiles 1g.10gb, 2g.20gb',
      [split(0), instance(0, 1, '2g.20gb'), instance(0, 2, '1g.10gb')],
    ],
    ['some GPUs are split into 1g.10gb, and 1 are not split', [whole(0), split(1), instance(1, 1, '1g.10gb')]],
  ])('offers nothing where %s, and says so', (problem, devices) => {
    expect(offered(devices, 'single')).toEqual({
      resources: { 'nvidia.com/gpu': [] },
      problems: [`mig-strategy single: ${problem}`],
    });
  });
});

describe('mixed', () => {
  test('offers a resource for each profile, without the plus sign that Kubernetes does not take', () => {
    expect(offered(various, 'mixed')).toEqual({
      resources: {
        'nvidia.com/gpu': ['GPU-0'],
        'nvidia.com/mig-1g.10gb': ['MIG-1-1'],
        'nvidia.com/mig-1g.10gb.me': ['MIG-1-2'],
        'nvidia.com/mig-2g.20gb': ['MIG-1-3'],
      },
      problems: [],
    });
  });

  test('an instance of unknown profile is not offered', () => {
    expect(offered([split(0), instance(0, 1, undefined)], 'mixed')).toEqual({
      resources: { 'nvidia.com/gpu': [] },
      problems: ['the profile of the MIG instance MIG-0-1 is not known'],
    });
  });
});

describe('an instance may be used', () => {
  test.each([
    ['while it and its GPU are healthy', {}, {}, ''],
    ['not while it is unhealthy', { health: 'unhealthy' }, {}, 'it is unhealthy'],
    ['not while its GPU is', {}, { health: 'unknown' }, 'its GPU gpu-0 is unknown'],
    ['not while it is leased', { leased: true }, {}, 'it is leased'],
    ['not while its GPU is leased', {}, { leased: true }, 'its GPU gpu-0 is leased'],
  ])('%s', (_when, own, ofGpu, reason) => {
    expect(usable([split(0, ofGpu), instance(0, 1, '1g.10gb', own)])).toEqual({ 'MIG-0-1': reason });
  });

  test('not while its GPU is unhealthy, however names are spelled', () => {
    const parent = split(0, { name: 'GPU-0', health: 'unhealthy' });
    expect(usable([parent, instance(0, 1, '1g.10gb')])).toEqual({ 'MIG-0-1': 'its GPU GPU-0 is unhealthy' });
  });

  test('not when nothing is known any more', () => {
    expect(usable([whole(0)], 'the device API is away')).toEqual({ 'GPU-0': 'the device API is away' });
  });
});

test('what has not been seen since the daemon started is not offered: it may be split', () => {
  const unseen = whole(0, { source: undefined, vendor: undefined, stale: true });
  expect(offered([unseen], 'mixed').resources).toEqual({ 'nvidia.com/gpu': [] });
  expect(offered([{ ...unseen, stale: false }], 'mixed').resources).toEqual({ 'nvidia.com/gpu': ['GPU-0'] });
});
