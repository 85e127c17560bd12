// Whether a GPU has become slower than it was: its newest figures against its own earlier ones.
//
// The earlier measurements are gone through in their order, each judged as the newest is, by those before it. What was
// slow then is left out of what is usual, so that a GPU that stays slow does not become its own standard; and whether it
// was slow just before decides how much is asked of it now. So the judgement follows from the measurements alone: the same
// ones give the same judgement, also after a restart.
//
// It finds a drop. What creeps, each time by less than the tolerance, moves what is usual; the band of the model finds that.
import { type FigureName, isBetterLow, medianOf, type Samples, units } from './figures.ts';
import { toleranceOf } from './spread.ts';

/** Fewer good measurements before it do not say what is usual. */
const leastMeasurements = 3;
/** So many of the last good ones do. */
const usualOf = 20;
/** What was slow is good again within this part of the tolerance, so that it does not go to and fro at the edge. */
const recovery = 0.5;

/** One figure against what it usually is. */
export interface FigureDrift {
  readonly name: FigureName;
  /** The median of the newest samples. */
  readonly median: number;
  /** What it usually is: the median of the medians of the last good measurements. */
  readonly usual: number;
  /** How many good measurements that comes from. */
  readonly measurements: number;
  /** The speed by that which is usual: 0.7 for a latency of 143 ns instead of 100 as well. */
  readonly ratio: number;
  /** Below this ratio it is slow. Higher for what was slow before. */
  readonly least: number;
  readonly isSlower: boolean;
}

/** What came of comparing. */
export interface Drift {
  /** Whether any figure is. */
  readonly isSlower: boolean;
  /** Figures that have a history, in the order of the newest measurement. None: too little is known. */
  readonly figures: readonly FigureDrift[];
}

/**
 * Judges the newest measurement of a GPU by its earlier ones. Counts of errors are no speed and are left out.
 *
 * @param history of the same GPU in the same way (interface, effort), the oldest first
 */
export function judgeDrift(history: readonly (readonly Samples[])[], newest: readonly Samples[]): Drift {
  const figures = newest.flatMap(({ name, samples }) => {
    const before = history.flatMap((measurement) => measurement.filter((figure) => figure.name === name));
    return driftOf(
      name,
      before.map((figure) => figure.samples),
      samples,
    );
  });
  return { isSlower: figures.some(({ isSlower }) => isSlower), figures };
}

/** For people: which figures are slow, and by how much. Empty where none is. */
export function describeDrift({ figures }: Drift): string {
  return figures
    .filter(({ isSlower }) => isSlower)
    .map(({ name, median, usual, ratio }) => {
      const unit = units[name] === 'ratio' ? '' : ` ${units[name]}`;
      return `${name}: ${rounded(median)}${unit}, ${Math.round(100 * ratio)} % of the usual speed (${rounded(usual)}${unit})`;
    })
    .join('; ');
}

function driftOf(
  name: FigureName,
  before: readonly (readonly number[])[],
  newest: readonly number[],
): FigureDrift | [] {
  if (units[name] === 'errors') return [];
  const good: number[] = [];
  let wasSlower = false;
  for (const samples of before) {
    const median = medianOf(samples);
    if (!(median > 0)) continue;
    wasSlower = compare(name, good, median, wasSlower)?.isSlower ?? false;
    if (!wasSlower) good.push(median);
  }
  const median = medianOf(newest);
  return (median > 0 && compare(name, good, median, wasSlower)) || [];
}

/** Undefined where too little is known. */
function compare(
  name: FigureName,
  good: readonly number[],
  median: number,
  wasSlower: boolean,
): FigureDrift | undefined {
  const last = good.slice(-usualOf);
  if (last.length < leastMeasurements) return undefined;
  const usual = medianOf(last);
  const least = 1 - toleranceOf(last) * (wasSlower ? recovery : 1);
  const ratio = isBetterLow(name) ? usual / median : median / usual;
  return { name, median, usual, measurements: last.length, ratio, least, isSlower: ratio < least };
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}
