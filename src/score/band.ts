// What is to be expected of a model: for each figure, what a healthy card reaches and the least that passes.
//
// Two sources. The reference: what others measured on the model, or the share of the data sheet's peak that good kernels
// reach. And history: once enough GPUs of the model have been measured in the same way, their own middle and spread,
// which is narrower, and knows also what no data sheet says. History may ask for more than the reference, never for less:
// a crowd of slow cards does not make slow usual.
//
// Without history there is no band for fp16 and int8 (data sheets give the rates of the matrix units, and the benchmarks
// use the ordinary ones), for memory-latency (no data sheet says it), for the transfers (the host's memory decides as much
// as the bus), and for parallel-efficiency (the node decides it).
import { type FigureName, figureNames, isBetterLow, medianOf, units } from './figures.ts';
import type { Reference, ReferenceFigure } from './reference.ts';
import { toleranceOf } from './spread.ts';

/** What is expected of one figure, in its unit. */
export interface Band {
  /** What a healthy card reaches; this and what is better is full score. */
  readonly expected: number;
  /** The worst that passes: below `expected`, or above it where less is better. */
  readonly accepted: number;
  readonly from: 'reference' | 'history';
}

/** The bands of a model. A figure of which nothing is known has none. */
export type Bands = Readonly<Partial<Record<FigureName, Band>>>;

/** Medians of the GPUs of one model, one of each GPU, from trusted measurements by the same interface. */
export type ModelHistory = Readonly<Partial<Record<FigureName, readonly number[]>>>;

/** Fewer GPUs do not say what is usual of a model. */
export const leastGpus = 8;

/** DCGM passes a card at this part of what it measured. */
const passOfMeasured = 0.75;

/**
 * Shares of the peak. Typical: the middle of what DCGM measured on the models of the table (0.62 and 0.77), rounded down.
 * Least: what good kernels reach on the models that reach least, because their power is limited.
 */
const shares = {
  fp32: { typical: 0.6, least: 0.38 },
  'tensor-fp16': { typical: 0.6, least: 0.38 },
  'memory-bandwidth': { typical: 0.75, least: 0.65 },
} as const;

/** Beyond this part of the peak a figure is not true. A boost above the promised clock is, and stays well below it. */
const mostOfPeak = 1.3;

/** What 16 lanes carry in one direction, in GB/s, before headers: 8, 16 and 32 GT/s a lane, 128 of 130 bits. */
const busPeaks = { 3: 15.75, 4: 31.5, 5: 63 } as const;

/**
 * The bands of a model. Deterministic; empty where neither says anything.
 *
 * @param history may be of any length; fewer than {@link leastGpus} values of a figure are as none
 */
export function bandsOf(reference: Reference | undefined, history: ModelHistory = {}): Bands {
  const found = figureNames.flatMap((name) => {
    const band = bandOf(name, reference, history[name] ?? []);
    return band ? [[name, band] as const] : [];
  });
  return Object.fromEntries(found);
}

/** The figures that no honest GPU of a model comes above, in their units. */
export function ceilingsOf({ peaks, pcieGeneration }: Reference): Readonly<Partial<Record<FigureName, number>>> {
  const bus = busPeaks[pcieGeneration];
  // The matrix units are the fastest way to multiply halves and bytes.
  const fastest = { ...peaks, fp16: peaks['tensor-fp16'], 'host-to-device': bus, 'device-to-host': bus };
  return Object.fromEntries(Object.entries(fastest).map(([name, peak]) => [name, peak * mostOfPeak]));
}

function bandOf(name: FigureName, reference: Reference | undefined, medians: readonly number[]): Band | undefined {
  if (units[name] === 'errors') return undefined;
  const promised = reference && fromReference(name, reference);
  const known = medians.filter((median) => median > 0 && Number.isFinite(median));
  if (known.length < leastGpus) return promised;
  const usual = medianOf(known);
  const ceiling = reference && ceilingsOf(reference)[name];
  if ((promised && usual < promised.accepted) || usual > (ceiling ?? Number.POSITIVE_INFINITY)) return promised;
  const least = 1 - toleranceOf(known);
  const accepted = isBetterLow(name) ? usual / least : Math.max(usual * least, promised?.accepted ?? 0);
  return { expected: usual, accepted, from: 'history' };
}

function fromReference(name: FigureName, reference: Reference): Band | undefined {
  if (!isReferenced(name, reference)) return undefined;
  const measured = reference.measured[name];
  if (measured !== undefined) {
    return { expected: measured, accepted: measured * passOfMeasured, from: 'reference' };
  }
  const [peak, share] = [reference.peaks[name], shares[name]];
  return { expected: peak * share.typical, accepted: peak * share.least, from: 'reference' };
}

/** Whether the data sheet's figure is of what the benchmark does on that model. */
function isReferenced(name: FigureName, reference: Reference): name is ReferenceFigure & keyof typeof shares {
  if (name === 'tensor-fp16') return hasTensorBenchmark(reference);
  return name in shares;
}

/**
 * The benchmark needs CUDA and capability 8.0. The matrix units of 10.x reach their peak only by instructions that no
 * other generation has and that it does not use: what share it reaches there is not on record.
 */
function hasTensorBenchmark({ computeCapability }: Reference): boolean {
  const generation = Math.floor(Number(computeCapability ?? 0));
  return generation >= 8 && generation !== 10;
}
