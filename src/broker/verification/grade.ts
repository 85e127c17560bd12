// What a measurement is worth: its figures held against what is expected of the product. The yardstick is kept with the
// measurement, so that the same samples come to the same score again, whatever other GPUs are measured at later.
import { type Bands, bandsOf, type ModelHistory } from '../../score/band.ts';
import { benchmarkNames } from '../../score/figures.ts';
import { referenceOf } from '../../score/reference.ts';
import { isPlausible, meetsBand, type Results, type ScorePart, scoreOf } from '../../score/score.ts';
import type { VerificationOutcome } from '../storage/schema.ts';

/** What figures are held against. */
export interface Yardstick {
  /** Null for a GPU that is sold as nothing. */
  readonly product: string | null;
  readonly bands: Bands;
}

/** What came of holding them against it. */
export interface Grade {
  readonly outcome: VerificationOutcome;
  /** 0 to 100; null where there is none. */
  readonly score: number | null;
  /** `unknown-product`, `incomplete`, `implausible`, `memory-errors` or `below-band`; null where it passed. */
  readonly reason: string | null;
  /** For people. */
  readonly message: string | null;
  readonly formula: number;
  readonly parts: readonly ScorePart[];
}

/** Reasons for which a measurement has no score, whatever its figures come to. */
export const scoreless: ReadonlySet<string> = new Set(['incomplete', 'implausible', 'simulated']);

export function yardstickOf(product: string | null, history: ModelHistory): Yardstick {
  const reference = product === null ? undefined : referenceOf(product);
  return { product, bands: product === null ? {} : bandsOf(reference, history) };
}

/** Of the same results and yardstick always the same. */
export function gradeOf(results: Results, { product, bands }: Yardstick): Grade {
  const { score = null, broken, formula, parts } = scoreOf(results, bands);
  const graded = (outcome: VerificationOutcome, reason: string | null, messages: readonly string[] = []): Grade => {
    return {
      outcome,
      score: reason !== null && scoreless.has(reason) ? null : score,
      reason,
      message: messages.join('; ') || null,
      formula,
      parts,
    };
  };
  const reference = product === null ? undefined : referenceOf(product);
  const plausible = reference && isPlausible(results, reference);
  if (plausible && !plausible.holds) return graded('failed', 'implausible', plausible.reasons);
  if (broken.length > 0) return graded('failed', 'memory-errors', broken);
  const missing = missingOf(results);
  if (missing.length > 0) return graded('unsupported', 'incomplete', [`not measured: ${missing.join(', ')}`]);
  if (Object.keys(bands).length === 0) {
    return graded('unsupported', 'unknown-product', ['nothing is known of what the product reaches']);
  }
  const met = meetsBand(results, bands);
  return met.holds ? graded('passed', null) : graded('failed', 'below-band', met.reasons);
}

/** A run of a few benchmarks, as somebody may ask for, says nothing of the whole; what was tried counts. */
function missingOf({ figures, unmeasured }: Results): string[] {
  const tried = new Set([...figures, ...unmeasured].map(({ name }) => name));
  return benchmarkNames.filter((name) => !tried.has(name));
}
