// What holds of every score, whatever the samples; and what each kind of fault does.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bands, bandsOf } from '../../src/score/band.ts';
import { type FigureName, isBetterLow, type Samples } from '../../src/score/figures.ts';
import { type Reference, referenceOf, references } from '../../src/score/reference.ts';
import { isPlausible, meetsBand, type Results, scoreOf, weights } from '../../src/score/score.ts';
import { runs } from '../properties.ts';

const h100 = referenceOf('H100-SXM5-80GB') as Reference;
const bands = bandsOf(h100);

/** At what the model is expected to reach, but for what is given. */
function measured(changed: Partial<Record<FigureName, number[]>> = {}): Results {
  const usual = { fp32: [39], 'tensor-fp16': [593.4], 'memory-bandwidth': [2540], 'memory-check': [0, 0] };
  const all = Object.entries({ ...usual, ...changed }) as [FigureName, number[]][];
  return { figures: all.map(([name, samples]) => ({ name, samples })), unmeasured: [] };
}

const without = (name: FigureName, why?: 'unsupported' | 'failed'): Results => ({
  figures: measured().figures.filter((figure) => figure.name !== name),
  unmeasured: why ? [{ name, why }] : [],
});

test('the weights are 100 together', () => {
  expect(Object.values(weights).reduce((sum, weight) => sum + weight, 0)).toBe(100);
});

test('what is expected is 100, and what is above it no more', () => {
  expect(scoreOf(measured(), bands).score).toBe(100);
  expect(scoreOf(measured({ fp32: [60], 'memory-bandwidth': [1270] }), bands).score).toBe(81);
});

describe('a figure that is not there', () => {
  test.each([['unsupported' as const], ['failed' as const], [undefined]])('counts 0: %s', (why) => {
    const { score, parts } = scoreOf(without('tensor-fp16', why), bands);
    expect(score).toBe(Math.round((100 * 50) / 80));
    expect(parts[0]).toEqual({
      name: 'tensor-fp16',
      weight: 30,
      expected: expect.closeTo(593.4, 9),
      ratio: 0,
      fault: why ?? 'missing',
    });
  });

  test('counts nothing where nobody expects it', () => {
    const unmeasured = [{ name: 'fp16' as const, why: 'unsupported' as const }];
    expect(scoreOf({ ...measured(), unmeasured }, bands).score).toBe(100);
  });

  test('of parallel efficiency is no fault: a GPU that is alone has none', () => {
    const shared = { ...bands, 'parallel-efficiency': { expected: 0.98, accepted: 0.88, from: 'history' as const } };
    expect(scoreOf(measured(), shared).score).toBe(100);
    expect(scoreOf(measured({ 'parallel-efficiency': [0.1] }), shared).score).toBe(98);
  });
});

test('samples that are no figure have failed', () => {
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0]) {
    expect(scoreOf(measured({ fp32: [39, wrong, 39] }), bands).parts[2]).toMatchObject({ ratio: 0, fault: 'failed' });
  }
});

test('samples of a figure whose output was wrong do not count', () => {
  const results: Results = { ...measured(), unmeasured: [{ name: 'fp32', why: 'failed' }] };
  expect(scoreOf(results, bands).score).toBe(75);
});

describe('errors', () => {
  test.each(['memory-check', 'ecc-uncorrected'] as const)('of %s make it 0', (name) => {
    for (const samples of [[0, 1], [7, 0, 0], [Number.NaN]]) {
      expect(scoreOf(measured({ [name]: samples }), bands)).toMatchObject({ score: 0 });
      expect(scoreOf(measured({ [name]: samples }), {})).toMatchObject({ score: 0 });
      expect(meetsBand(measured({ [name]: samples }), bands).holds).toBe(false);
    }
  });

  test('that were corrected do not', () => {
    expect(scoreOf(measured({ 'ecc-corrected': [12] }), bands)).toMatchObject({ score: 100, broken: [] });
  });
});

test('without bands there is no score and no label', () => {
  expect(scoreOf(measured(), {})).toEqual({ formula: 1, parts: [], broken: [] });
  expect(meetsBand(measured(), {}).reasons).toEqual(['nothing is known of the model']);
});

describe('the label measured', () => {
  test('needs every figure of the GPU that has a band to pass', () => {
    expect(meetsBand(measured(), bands)).toEqual({ holds: true, reasons: [] });
    expect(meetsBand(measured({ fp32: [29.25] }), bands).holds).toBe(true);
    expect(meetsBand(measured({ fp32: [29.24] }), bands).reasons).toEqual([
      'fp32: 29.2 TFLOP/s, and the model comes to at least 29.3 TFLOP/s',
    ]);
    expect(meetsBand(without('tensor-fp16', 'failed'), bands).reasons).toEqual(['tensor-fp16: failed']);
  });

  test('needs memory to have been checked', () => {
    expect(meetsBand(without('memory-check'), bands).reasons).toEqual(['memory-check: was not measured']);
  });

  test('does not ask the host', () => {
    const slow: Bands = { ...bands, 'host-to-device': { expected: 20, accepted: 18, from: 'history' } };
    expect(meetsBand(measured({ 'host-to-device': [3] }), slow).holds).toBe(true);
  });

  test('cannot be had by what the host does alone', () => {
    const host: Bands = { 'host-to-device': { expected: 20, accepted: 18, from: 'history' } };
    expect(meetsBand(measured({ 'host-to-device': [20] }), host).reasons).toEqual(['nothing is known of the model']);
  });

  test('takes no longer latency than the model has', () => {
    const latency: Bands = { ...bands, 'memory-latency': { expected: 600, accepted: 660, from: 'history' } };
    expect(meetsBand(measured({ 'memory-latency': [661] }), latency).reasons).toEqual([
      'memory-latency: 661 ns, and the model comes to at most 660 ns',
    ]);
  });
});

test('boost may come a little above the peak; more is not plausible', () => {
  expect(isPlausible(measured({ fp32: [70] }), h100).holds).toBe(true);
  expect(isPlausible(measured({ fp32: [90] }), h100).reasons).toEqual([
    'fp32: 90 TFLOP/s, and H100-SXM5-80GB comes to 87.1 TFLOP/s at most',
  ]);
});

const names = Object.keys(weights) as (keyof typeof weights)[];
const sample = fc.oneof(fc.double({ min: 0.001, max: 1e5, noNaN: true }), fc.double());
const figures = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom<FigureName>(...names, 'memory-check', 'ecc-uncorrected'),
    samples: fc.array(sample, { minLength: 1, maxLength: 11 }),
  }),
  { selector: ({ name }) => name },
);
const someBands: fc.Arbitrary<Bands> = fc
  .record({
    reference: fc.option(fc.constantFrom(...references), { nil: undefined }),
    usual: fc.double({ min: 0.5, max: 2, noNaN: true }),
    known: fc.subarray(names),
  })
  .map(({ reference, usual, known }) =>
    bandsOf(reference, Object.fromEntries(known.map((name) => [name, Array<number>(8).fill(usual)]))),
  );
const results = fc.record({
  figures,
  unmeasured: fc.array(
    fc.record({ name: fc.constantFrom<FigureName>(...names), why: fc.constantFrom('unsupported', 'failed') }),
    { maxLength: 3 },
  ),
}) as fc.Arbitrary<Results>;

test('a score is a whole number from 0 to 100, and absent only where there is no band', () => {
  fc.assert(
    fc.property(results, someBands, (results, bands) => {
      const { score, parts, broken } = scoreOf(results, bands);
      if (score === undefined) expect([parts, broken]).toEqual([[], []]);
      else expect(Number.isInteger(score) && score >= 0 && score <= 100).toBe(true);
    }),
    runs(500, 50_000),
  );
});

test('the order of figures and of samples changes nothing', () => {
  fc.assert(
    fc.property(results, someBands, fc.infiniteStream(fc.nat()), ({ figures, unmeasured }, bands, order) => {
      const shuffled = <T>(list: readonly T[]): T[] => {
        const keyed = list.map((item) => [order.next().value as number, item] as const);
        return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
      };
      const mixed: Samples[] = shuffled(figures).map(({ name, samples }) => ({ name, samples: shuffled(samples) }));
      const [one, other] = [scoreOf({ figures, unmeasured }, bands), scoreOf({ figures: mixed, unmeasured }, bands)];
      expect(other.score).toBe(one.score);
      expect(other.parts).toEqual(one.parts);
    }),
    runs(300, 20_000),
  );
});

test('a faster sample never lowers the score', () => {
  const speeds = fc.array(fc.double({ min: 0.01, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 7 });
  const nat = fc.nat();
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      speeds,
      nat,
      fc.double({ min: 1, max: 10, noNaN: true }),
      someBands,
      (...given) => {
        const [name, samples, at, gain, bands] = given;
        const place = at % samples.length;
        const faster = samples.map((value, index) =>
          index !== place ? value : isBetterLow(name) ? value / gain : value * gain,
        );
        const of = (values: number[]) =>
          scoreOf({ figures: [{ name, samples: values }], unmeasured: [] }, bands).score ?? 0;
        expect(of(faster)).toBeGreaterThanOrEqual(of(samples));
      },
    ),
    runs(500, 50_000),
  );
});

test('a score can be made again from its parts, and from a stored copy of what it was made of', () => {
  fc.assert(
    fc.property(results, someBands, (results, bands) => {
      const made = scoreOf(results, bands);
      const [total, reached] = made.parts.reduce(
        ([total, reached], { weight, ratio }) => [total + weight, reached + weight * ratio],
        [0, 0],
      );
      if (made.broken.length === 0 && total > 0) expect(made.score).toBe(Math.round((100 * reached) / total));
      expect(scoreOf(structuredClone(results), JSON.parse(JSON.stringify(bands)))).toEqual(made);
    }),
    runs(300, 20_000),
  );
});
