// A figure: what was measured of the product and of the peer, and the budget that it must keep.
import type { Sample } from './statistics.ts';

export interface Figure {
  // The row of the requirements: P1, P2 or P3.
  row: string;
  name: string;
  unit: string;
  ours: Sample;
  peer?: Sample;
  // At most this ratio to the peer, or at most this much; none for a figure that only informs.
  budget?: { ratio: number } | { limit: number };
}

// What one part of the benchmark found.
export interface Findings {
  figures: Figure[];
  notes: string[];
}

export function ratio({ ours, peer }: Figure): number | undefined {
  return peer === undefined || peer.median === 0 ? undefined : ours.median / peer.median;
}

// Undefined where there is no budget.
export function isMet(figure: Figure): boolean | undefined {
  if (figure.budget === undefined) return undefined;
  if ('limit' in figure.budget) return figure.ours.median <= figure.budget.limit;
  const measured = ratio(figure);
  return measured !== undefined && measured <= figure.budget.ratio;
}
