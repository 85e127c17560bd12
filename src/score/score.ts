// The capability score: one whole number from 0 to 100 for what a GPU was measured at, by the bands of its model.
//
//   score = 100 × Σ weight × ratio ÷ Σ weight, rounded, over the figures that have a band
//
// - The ratio is median ÷ expected, or expected ÷ median where less is better, and at most 1: a card that is better than
//   its model in one thing does not make up for what it lacks in another.
// - A mean, not a product: one figure that is not there costs its weight, and not everything.
// - A figure with a band counts 0 where it failed, where the device does not have it though the model does, and where it
//   was not taken: leaving out a bad one is no way to a better score.
// - A figure without a band is left out, and the weights of the others stand for all: nobody knows what it should be.
// - Errors in memory make it 0, whatever the speed: wrong answers are worth nothing.
//
// Nothing but the samples and the bands comes in, and the figures are added up in a fixed order: the same give the same.
import { type Band, type Bands, ceilingsOf } from './band.ts';
import { benchmarkNames, type FigureName, isBetterLow, medianOf, type Samples, units } from './figures.ts';
import type { Reference } from './reference.ts';

/** Goes up with every change of what a score comes to: kept beside scores, so that old ones can be made again. */
export const formula = 1;

/** How much a figure counts; 100 together. Its reason stands beside it. */
export const weights = {
  // Most GPU hours are bought for products of matrices in half precision,
  'tensor-fp16': 30,
  // and most of the rest wait for memory, also when models answer.
  'memory-bandwidth': 30,
  // Everything that is not a product of matrices.
  fp32: 20,
  // The same units as fp32 in other formats: they say little that it does not.
  fp16: 5,
  int8: 5,
  // Matters to few, and hides behind many threads.
  'memory-latency': 4,
  // The host's as much as the GPU's.
  'host-to-device': 2,
  'device-to-host': 2,
  'parallel-efficiency': 2,
} as const satisfies Partial<Record<FigureName, number>>;

type ScoredFigure = keyof typeof weights;

/** In which any error is one too many. Corrected ones are none: the memory did what it is for. */
const gates = ['memory-check', 'ecc-uncorrected'] as const satisfies readonly FigureName[];

/** What the host decides as much as the GPU: it counts, but does not say which GPU this is. */
const hostFigures: readonly FigureName[] = ['host-to-device', 'device-to-host', 'parallel-efficiency'];

/** What a measurement of one GPU came to. */
export interface Results {
  readonly figures: readonly Samples[];
  readonly unmeasured: readonly { readonly name: FigureName; readonly why: 'unsupported' | 'failed' }[];
}

/** What one figure adds to the score. */
export interface ScorePart {
  readonly name: ScoredFigure;
  readonly weight: number;
  readonly expected: number;
  /** Absent where there is no figure. */
  readonly median?: number;
  /** 0 to 1. */
  readonly ratio: number;
  /** Why the ratio is 0. `missing`: it was not taken. */
  readonly fault?: 'unsupported' | 'failed' | 'missing';
}

/** A score with what it was made of. */
export interface Score {
  /** 0 to 100. Absent where nothing is known of the model. */
  readonly score?: number;
  readonly formula: number;
  readonly parts: readonly ScorePart[];
  /** For people: what made it 0 whatever the parts say. */
  readonly broken: readonly string[];
}

/** Whether something holds, and why not. */
export interface Judgement {
  readonly holds: boolean;
  /** For people; empty where it holds. */
  readonly reasons: readonly string[];
}

/** The score of a complete measurement. A figure that is given twice has the samples of both. */
export function scoreOf(results: Results, bands: Bands): Score {
  const parts = (Object.keys(weights) as ScoredFigure[]).flatMap((name) => partOf(name, results, bands[name]));
  const broken = brokenGates(results);
  const whole = parts.reduce((sum, { weight }) => sum + weight, 0);
  if (broken.length > 0) return { score: 0, formula, parts, broken };
  if (whole === 0) return { formula, parts, broken };
  const reached = parts.reduce((sum, { weight, ratio }) => sum + weight * ratio, 0);
  return { score: Math.round((100 * reached) / whole), formula, parts, broken };
}

/**
 * Whether a measurement supports the label `measured`: its memory was checked and is free of errors, and every figure of
 * the GPU itself that has a band was taken and passes.
 */
export function meetsBand(results: Results, bands: Bands): Judgement {
  const checked = medianOfFigure(results, 'memory-check') === undefined ? ['memory-check: was not measured'] : [];
  const judged = benchmarkNames.filter((name) => bands[name] && !hostFigures.includes(name));
  const known = judged.length === 0 ? ['nothing is known of the model'] : [];
  const short = judged.flatMap((name) => shortfallOf(name, results, bands[name]));
  const reasons = [...brokenGates(results), ...checked, ...known, ...short];
  return { holds: reasons.length === 0, reasons };
}

/** Whether a GPU of the model can have come to these figures. Too fast is not a better GPU: it is another one, or a lie. */
export function isPlausible(results: Results, reference: Reference): Judgement {
  const ceilings = ceilingsOf(reference);
  const reasons = results.figures.flatMap(({ name, samples }) => {
    const [median, ceiling] = [medianOf(samples), ceilings[name]];
    if (ceiling === undefined || median <= ceiling) return [];
    return [`${name}: ${shown(median, name)}, and ${reference.product} comes to ${shown(ceiling, name)} at most`];
  });
  return { holds: reasons.length === 0, reasons };
}

function partOf(name: ScoredFigure, results: Results, band: Band | undefined): ScorePart[] {
  if (!band) return [];
  const part = { name, weight: weights[name], expected: band.expected };
  const median = medianOfFigure(results, name);
  if (median !== undefined) {
    const ratio = isBetterLow(name) ? band.expected / median : median / band.expected;
    return [{ ...part, median, ratio: Math.min(1, ratio) }];
  }
  const fault = faultOf(name, results);
  // It takes several GPUs: one alone has none.
  if (fault === 'missing' && name === 'parallel-efficiency') return [];
  return [{ ...part, ratio: 0, fault }];
}

function shortfallOf(name: FigureName, results: Results, band: Band | undefined): string[] {
  if (!band) return [];
  const median = medianOfFigure(results, name);
  if (median === undefined) {
    const fault = faultOf(name, results);
    return [`${name}: ${fault === 'missing' ? 'was not measured' : fault}`];
  }
  const passes = isBetterLow(name) ? median <= band.accepted : median >= band.accepted;
  const limit = `${isBetterLow(name) ? 'at most' : 'at least'} ${shown(band.accepted, name)}`;
  return passes ? [] : [`${name}: ${shown(median, name)}, and the model comes to ${limit}`];
}

function brokenGates({ figures }: Results): string[] {
  return gates.flatMap((name) => {
    const samples = figures.filter((figure) => figure.name === name).flatMap((figure) => figure.samples);
    const wrong = samples.filter((count) => count !== 0);
    return wrong.length > 0 ? [`${name}: ${Math.max(...wrong)}, where 0 is right`] : [];
  });
}

/** Undefined where there is none, and where a sample is no such figure at all. */
function medianOfFigure({ figures, unmeasured }: Results, name: FigureName): number | undefined {
  const samples = figures.filter((figure) => figure.name === name).flatMap((figure) => figure.samples);
  if (samples.length === 0 || unmeasured.some((one) => one.name === name)) return undefined;
  const isRight = (sample: number) => Number.isFinite(sample) && (units[name] === 'errors' ? sample >= 0 : sample > 0);
  return samples.every(isRight) ? medianOf(samples) : undefined;
}

function faultOf(name: FigureName, { figures, unmeasured }: Results): NonNullable<ScorePart['fault']> {
  const reasons = unmeasured.filter((one) => one.name === name).map(({ why }) => why);
  const hasSamples = figures.some((figure) => figure.name === name);
  // Samples that are no figure are a failure, whoever says what beside them.
  return hasSamples || reasons.includes('failed') ? 'failed' : (reasons[0] ?? 'missing');
}

function shown(value: number, name: FigureName): string {
  const number = String(Number(value.toPrecision(3)));
  return units[name] === 'ratio' ? number : `${number} ${units[name]}`;
}
