// Measurements whose score, label and plausibility are settled: golden/, a file each. Parts that have a figure show their
// ratio to four places, the others why there is none.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bandsOf, type ModelHistory } from '../../src/score/band.ts';
import { referenceOf } from '../../src/score/reference.ts';
import { isPlausible, meetsBand, type Results, scoreOf } from '../../src/score/score.ts';

interface Golden extends Results {
  readonly about: string;
  readonly product: string;
  readonly history?: ModelHistory;
  readonly score: number | null;
  readonly parts: Readonly<Record<string, number | string>>;
  /** Why it does not support the label `measured`; none where it does. */
  readonly measured: readonly string[];
  readonly implausible: readonly string[];
}

const folder = join(import.meta.dirname, 'golden');
const cases = readdirSync(folder).map((name): Golden & { name: string } => {
  return { name, ...JSON.parse(readFileSync(join(folder, name), 'utf8')) };
});

test.each(cases)('$name: $about', (golden) => {
  const reference = referenceOf(golden.product);
  const bands = bandsOf(reference, golden.history);
  const { score, parts } = scoreOf(golden, bands);
  const shown = parts.map(({ name, ratio, fault }) => [name, fault ?? Number(ratio.toFixed(4))]);
  expect({ score: score ?? null, parts: Object.fromEntries(shown) }).toEqual({
    score: golden.score,
    parts: golden.parts,
  });
  expect(meetsBand(golden, bands).reasons).toEqual(golden.measured);
  expect(reference ? isPlausible(golden, reference).reasons : []).toEqual(golden.implausible);
});
