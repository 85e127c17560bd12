// What beats said since it was last written down.
import type { LiveNode } from './live-nodes.ts';
import type { SeenRow } from './sql/store-nodes.ts';

const maxInteger = 2 ** 31 - 1;

/** A row for each node that has beaten since its row was written. */
export function seenRows(nodes: Iterable<LiveNode>): SeenRow[] {
  const rows: SeenRow[] = [];
  for (const node of nodes) {
    if (node.lastBeat <= node.storedBeat) continue;
    rows.push({
      id: node.id,
      at: new Date(node.lastBeat).toISOString(),
      round_trip_micros: bounded(node.roundTrip),
      clock_skew_ms: bounded(node.skew),
    });
  }
  return rows;
}

function bounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.max(-maxInteger, Math.min(maxInteger, Math.round(value)));
}
