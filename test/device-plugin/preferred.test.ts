// Which devices a container should get: connected ones first, then near ones, then those that leave the best rest.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Offer } from '../../src/device-plugin/offers.ts';
import { preferred } from '../../src/device-plugin/preferred.ts';
import { Device } from '../../src/wire/gpubroker/device/v1/device_details.ts';
import { runs } from '../properties.ts';

/** A device in the plainest words. */
interface Plain {
  /** NVLink connections: to other devices by place, or to switches by letter; one for each mention. */
  readonly links: readonly (number | string)[];
  readonly numaNode?: number | undefined;
  readonly parent?: number | undefined;
}

const bus = (place: number | string) =>
  typeof place === 'string' ? `0000000${place}:00:00.0` : `00000000:${place.toString(16).padStart(2, '0')}:00.0`;

function offersOf(devices: readonly Plain[]): Offer[] {
  return devices.map(({ links, numaNode, parent }, place) => ({
    id: `d${place}`,
    unusable: '',
    device: Device.fromPartial({
      pci: { busId: bus(place).toUpperCase() },
      nvlinks: links.map((to, link) => ({ link, active: true, remoteBusId: bus(to) })),
      numaNode,
      parent: parent === undefined ? undefined : `gpu-${parent}`,
    }),
  }));
}

/** By every set, every pair in it, and every pair outside, in the words of the documentation. */
function bruteForce(devices: readonly Plain[], required: readonly number[], size: number): number[][] {
  const places = devices.map((_, place) => place);
  const count = (links: Plain['links'], to: number | string) => links.filter((one) => one === to).length;
  const connections = (a: number, b: number) => {
    const [one, other] = [devices[a]?.links ?? [], devices[b]?.links ?? []];
    const direct = Math.max(count(one, b), count(other, a));
    const common = [...new Set(one)].filter((to) => typeof to === 'string' || to >= devices.length);
    const shared = common.reduce((sum: number, to) => sum + Math.min(count(one, to), count(other, to)), 0);
    return direct > 0 ? direct : shared;
  };
  const same = (a: number, b: number, key: 'numaNode' | 'parent') =>
    Number(devices[a]?.[key] !== undefined && devices[a]?.[key] === devices[b]?.[key]);
  const criteria = (set: readonly number[]) => {
    const pairs = set.flatMap((a) => set.filter((b) => b > a).map((b) => [a, b] as const));
    const sum = (of: (a: number, b: number) => number) => pairs.reduce((total, [a, b]) => total + of(a, b), 0);
    return [sum(connections), sum((a, b) => same(a, b, 'numaNode')), sum((a, b) => same(a, b, 'parent'))];
  };
  const score = (set: readonly number[]) => [
    ...criteria(set),
    ...criteria(places.filter((place) => !set.includes(place))),
  ];
  const subsets = (from: number, left: number): number[][] =>
    left === 0
      ? [[]]
      : places.slice(from).flatMap((place) => subsets(place + 1, left - 1).map((rest) => [place, ...rest]));
  const allowed = subsets(0, size).filter((set) => required.every((place) => set.includes(place)));
  const better = (a: number[], b: number[]) => {
    const at = a.findIndex((one, i) => one !== b[i]);
    return at >= 0 && (a[at] ?? 0) > (b[at] ?? 0);
  };
  const best = allowed.map(score).reduce((found, one) => (better(one, found) ? one : found));
  return allowed.filter((set) => !better(best, score(set)));
}

const choose = (devices: readonly Plain[], required: readonly number[], size: number, available?: string[]) =>
  preferred(offersOf(devices), {
    available: available ?? devices.map((_, place) => `d${place}`),
    required: required.map((place) => `d${place}`),
    size,
  });
const placesOf = (ids: readonly string[]) => ids.map((id) => Number(id.slice(1)));

const place = fc.integer({ min: 0, max: 6 });
const plain: fc.Arbitrary<Plain> = fc.record({
  links: fc.array(fc.oneof(place, fc.constantFrom('a', 'b')), { maxLength: 4 }),
  numaNode: fc.option(fc.integer({ min: 0, max: 1 }), { nil: undefined }),
  parent: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
});
const wish = fc
  .array(plain, { minLength: 1, maxLength: 7 })
  .chain((devices) =>
    fc.record({
      devices: fc.constant(devices.map((one, at) => ({ ...one, links: one.links.filter((to) => to !== at) }))),
      size: fc.integer({ min: 1, max: devices.length }),
      required: fc.subarray(devices.map((_, at) => at)),
    }),
  )
  .map(({ devices, size, required }) => ({ devices, size, required: required.slice(0, size) }));

test('the choice is the first of the best that brute force finds', () => {
  fc.assert(
    fc.property(wish, ({ devices, required, size }) => {
      const [first] = bruteForce(devices, required, size);
      expect(placesOf(choose(devices, required, size))).toEqual(first);
    }),
    runs(500, 20_000),
  );
});

describe('eight GPUs in two groups of four, each on a switch and a NUMA node of its own', () => {
  const node = Array.from({ length: 8 }, (_, at) => ({
    links: Array.from({ length: 4 }, () => (at < 4 ? 'a' : 'b')),
    numaNode: at < 4 ? 0 : 1,
  }));

  test('a container of four gets one group whole', () => {
    expect(choose(node, [], 4)).toEqual(['d0', 'd1', 'd2', 'd3']);
    expect(choose(node, [], 4, ['d0', 'd1', 'd2', 'd4', 'd5', 'd6', 'd7'])).toEqual(['d4', 'd5', 'd6', 'd7']);
  });

  test('a container of one takes it from the group that is broken already', () => {
    expect(choose(node, [], 1, ['d0', 'd1', 'd2', 'd3', 'd5', 'd6'])).toEqual(['d5']);
  });

  test('what is required decides which group', () => {
    expect(choose(node, [6], 3)).toEqual(['d4', 'd5', 'd6']);
  });
});

test('links that are down do not count', () => {
  const offers = offersOf([{ links: [1, 1] }, { links: [0, 0] }, { links: [3] }, { links: [2] }]);
  for (const { device } of offers.slice(0, 2)) for (const link of device.nvlinks) link.active = false;
  expect(preferred(offers, { available: ['d0', 'd1', 'd2', 'd3'], required: [], size: 2 })).toEqual(['d2', 'd3']);
});

test('an id that is not known is chosen last', () => {
  expect(choose([{ links: [] }, { links: [] }], [], 2, ['x', 'd1', 'd0'])).toEqual(['d0', 'd1']);
  expect(choose([{ links: [] }], [], 2, ['x', 'd0'])).toEqual(['d0', 'x']);
});

describe('72 MIG instances on 8 GPUs', () => {
  const node = Array.from({ length: 72 }, (_, at) => ({
    links: [],
    parent: Math.floor(at / 9),
    numaNode: at < 36 ? 0 : 1,
  }));

  test('a container of nine gets one GPU whole', () => {
    const available = node.map((_, at) => `d${at}`).filter((id) => id !== 'd4');
    expect(choose(node, [], 9, available)).toEqual(Array.from({ length: 9 }, (_, at) => `d${at + 9}`));
  });

  test('a container of one takes it from the GPU with the least left', () => {
    const available = node.map((_, at) => `d${at}`).filter((_, at) => at < 20 || at > 25);
    expect(choose(node, [], 1, available)).toEqual(['d18']);
  });

  test('whatever is asked for: the size, the required ones, the same again, in bounded time', () => {
    const places = node.map((_, at) => at);
    fc.assert(
      fc.property(fc.subarray(places, { minLength: 1 }), fc.nat(72), fc.nat(8), (available, wanted, needed) => {
        const size = Math.min(available.length, Math.max(1, wanted));
        const required = available.slice(0, Math.min(needed, size));
        const ids = available.map((at) => `d${at}`);
        const before = performance.now();
        const chosen = choose(node, required, size, ids);
        expect(performance.now() - before).toBeLessThan(1_000);
        expect(new Set(chosen).size).toBe(size);
        expect(chosen).toHaveLength(size);
        expect(ids).toEqual(expect.arrayContaining(chosen));
        expect(chosen).toEqual(expect.arrayContaining(required.map((at) => `d${at}`)));
        expect(choose(node, required, size, [...ids].reverse())).toEqual(chosen);
      }),
      runs(100, 5_000),
    );
  });
});
