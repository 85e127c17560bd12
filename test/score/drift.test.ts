// A GPU against its own history: what is slower, what is not, and when it is good again.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeDrift, judgeDrift } from '../../src/score/drift.ts';
import { type FigureName, isBetterLow, type Samples } from '../../src/score/figures.ts';
import { runs } from '../properties.ts';

const at = (name: FigureName, ...samples: number[]): Samples[] => [{ name, samples }];
const of = (name: FigureName, values: readonly number[]) => values.map((value) => at(name, value));

/** An A100 over a few weeks. */
const a100 = [18.31, 18.27, 18.35, 18.22, 18.3].map((fp32, index): Samples[] => [
  { name: 'fp32', samples: [fp32 - 0.05, fp32, fp32 + 0.04] },
  { name: 'memory-bandwidth', samples: [1702 + index, 1698, 1711] },
  { name: 'memory-latency', samples: [461, 463 + index, 462] },
  { name: 'memory-check', samples: [0, 0] },
]);

describe('a history of five measurements', () => {
  test('an honest sixth one is as usual', () => {
    const drift = judgeDrift(a100, [
      { name: 'fp32', samples: [18.1, 18.2, 18.25] },
      { name: 'memory-bandwidth', samples: [1690, 1700, 1695] },
      { name: 'memory-latency', samples: [470, 468, 465] },
      { name: 'memory-check', samples: [0, 0] },
    ]);
    expect(drift.isSlower).toBe(false);
    expect(drift.figures.map(({ name, measurements }) => [name, measurements])).toEqual([
      ['fp32', 5],
      ['memory-bandwidth', 5],
      ['memory-latency', 5],
    ]);
    expect(describeDrift(drift)).toBe('');
  });

  test('a throttled one is slower in what the clock decides, and says by how much', () => {
    const drift = judgeDrift(a100, [
      { name: 'fp32', samples: [11.1, 11.2, 11.3] },
      { name: 'memory-bandwidth', samples: [1690, 1700, 1695] },
    ]);
    expect(drift).toMatchObject({
      isSlower: true,
      figures: [
        { name: 'fp32', median: 11.2, usual: 18.3, least: 0.9, isSlower: true },
        { name: 'memory-bandwidth', isSlower: false },
      ],
    });
    expect(describeDrift(drift)).toBe('fp32: 11.2 TFLOP/s, 61 % of the usual speed (18.3 TFLOP/s)');
  });

  test('a longer latency is slower, a shorter one is not', () => {
    expect(judgeDrift(a100, at('memory-latency', 700))).toMatchObject({ isSlower: true });
    expect(judgeDrift(a100, at('memory-latency', 200))).toMatchObject({ isSlower: false });
  });

  test('one wild sample of three changes nothing', () => {
    expect(judgeDrift(a100, at('fp32', 18.2, 3.1, 18.3)).isSlower).toBe(false);
  });
});

test('less than three measurements say nothing', () => {
  expect(judgeDrift(a100.slice(0, 2), at('fp32', 1))).toEqual({ isSlower: false, figures: [] });
  expect(judgeDrift([], [])).toEqual({ isSlower: false, figures: [] });
});

test('errors are no speed, and what was never measured has no history', () => {
  expect(judgeDrift(a100, [...at('memory-check', 7), ...at('int8', 1)]).figures).toEqual([]);
});

test('a tenth less is within the tolerance, also where no two measurements differed', () => {
  const history = of('fp32', [20, 20, 20, 20]);
  expect(judgeDrift(history, at('fp32', 18.01)).isSlower).toBe(false);
  expect(judgeDrift(history, at('fp32', 17.99)).isSlower).toBe(true);
});

test('a figure that always varied may vary, but not to half of it', () => {
  const history = of('host-to-device', [8, 12, 10, 9, 11, 13, 7]);
  expect(judgeDrift(history, at('host-to-device', 6)).isSlower).toBe(false);
  expect(judgeDrift(history, at('host-to-device', 4.9)).isSlower).toBe(true);
});

test('what was slow is good again only half-way back into the tolerance', () => {
  const slow = of('fp32', [20, 20, 20, 20, 17]);
  expect(judgeDrift(slow, at('fp32', 18.5)).isSlower).toBe(true);
  expect(judgeDrift(slow, at('fp32', 19.1)).isSlower).toBe(false);
  expect(judgeDrift(of('fp32', [20, 20, 20, 20]), at('fp32', 18.5)).isSlower).toBe(false);
});

test('a GPU that stays slow does not become its own standard', () => {
  const history = of('fp32', [20, 20, 20, ...Array<number>(50).fill(12)]);
  expect(judgeDrift(history, at('fp32', 12))).toMatchObject({ isSlower: true, figures: [{ usual: 20 }] });
});

test('a GPU that got faster is held against that once most of the last 20 are', () => {
  const history = of('fp32', [...Array<number>(20).fill(20), ...Array<number>(11).fill(25)]);
  expect(judgeDrift(history, at('fp32', 20))).toMatchObject({ isSlower: true, figures: [{ usual: 25 }] });
});

const figure = fc.constantFrom<FigureName>('fp32', 'memory-bandwidth', 'memory-latency', 'device-to-host');
const speed = fc.double({ min: 0.01, max: 1e5, noNaN: true });

test('a faster sample never makes a GPU slower', () => {
  fc.assert(
    fc.property(figure, fc.array(speed, { maxLength: 30 }), speed, speed, (name, before, one, other) => {
      const history = of(name, before);
      const [slow, fast] = isBetterLow(name)
        ? [Math.max(one, other), Math.min(one, other)]
        : [one, other].sort((a, b) => a - b);
      const judged = [slow, fast].map((value) => judgeDrift(history, at(name, value as number)).isSlower);
      expect(judged).not.toEqual([false, true]);
    }),
    runs(300, 20_000),
  );
});

test('history in other units comes to the same', () => {
  fc.assert(
    fc.property(fc.array(speed, { maxLength: 30 }), speed, fc.integer({ min: -8, max: 8 }), (before, newest, power) => {
      const scale = 2 ** power;
      const judged = judgeDrift(of('fp32', before), at('fp32', newest)).isSlower;
      const scaled = judgeDrift(
        of(
          'fp32',
          before.map((value) => value * scale),
        ),
        at('fp32', newest * scale),
      ).isSlower;
      expect(scaled).toBe(judged);
    }),
    runs(300, 20_000),
  );
});
