// The figures that are taken of a GPU: their names, their units, and which way is better.

/** What a figure is in. `ratio`: 1 is all of it. `errors`: a count, 0 is right. */
export type Unit = 'TFLOP/s' | 'TOP/s' | 'GB/s' | 'ns' | 'errors' | 'ratio';

/** What is measured of one device by itself, in the order in which it runs. */
export const benchmarkNames = [
  'fp32',
  'fp16',
  'int8',
  'tensor-fp16',
  'memory-bandwidth',
  'memory-latency',
  'memory-check',
  'host-to-device',
  'device-to-host',
] as const;

export type BenchmarkName = (typeof benchmarkNames)[number];

/** Besides, what follows from the devices of a node working at once, and from their drivers' counters. */
export const figureNames = [...benchmarkNames, 'parallel-efficiency', 'ecc-corrected', 'ecc-uncorrected'] as const;

export type FigureName = (typeof figureNames)[number];

/** The unit of each figure. */
export const units: Readonly<Record<FigureName, Unit>> = {
  fp32: 'TFLOP/s',
  fp16: 'TFLOP/s',
  int8: 'TOP/s',
  'tensor-fp16': 'TFLOP/s',
  'memory-bandwidth': 'GB/s',
  'memory-latency': 'ns',
  'memory-check': 'errors',
  'host-to-device': 'GB/s',
  'device-to-host': 'GB/s',
  'parallel-efficiency': 'ratio',
  'ecc-corrected': 'errors',
  'ecc-uncorrected': 'errors',
};

/** The samples of one figure, in {@link units}. Never empty. */
export interface Samples {
  readonly name: FigureName;
  readonly samples: readonly number[];
}

/** The middle one; of an even number, the mean of the two in the middle. NaN of none. */
export function medianOf(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[(sorted.length - 1) >> 1] ?? Number.NaN, sorted[middle] ?? Number.NaN];
  return (low + high) / 2;
}

/** Whether less of it is better. */
export function isBetterLow(name: FigureName): boolean {
  return units[name] === 'ns' || units[name] === 'errors';
}
