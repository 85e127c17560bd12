// A figure that was taken several times: its median and its spread.
export interface Sample {
  median: number;
  min: number;
  max: number;
}

export function sample(values: number[]): Sample {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: (quantile(sorted, 0.5) + (sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0)) / 2,
    min: sorted[0] ?? 0,
    max: sorted.at(-1) ?? 0,
  };
}

// The value at this share of a sorted list, for instance 0.99.
export function quantile(sorted: number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
