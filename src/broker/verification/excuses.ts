// What a GPU's silence counts for, once its work has begun: a cheat must not get away by hanging up.
//
//   it is sold meanwhile, by the broker's own books            -- excused: nothing is recorded
//   its node is connected, and says nothing until the deadline -- failed
//   its node refuses to go on, and the inventory shows nobody else on the GPU -- failed
//   its node refuses, and the inventory shows a pod or a foreign process      -- interrupted
//   its node's stream has ended, or it plays for time with its rows           -- interrupted
//
// Pods, processes and streams are the node's own word: they interrupt a GPU twice, and the third time in a row, without a
// verdict in between, it has failed. A GPU that is never ready needs no rule: its label runs out.
import type { SessionEnd } from './session.ts';

/** What the broker knows of a GPU after its challenge. */
export interface GpuNow {
  /** A trade holds it. */
  readonly sold: boolean;
  /** Its node shows a pod or a process on it. */
  readonly occupied: boolean;
}

/** A GPU that was interrupted so often in a row has failed. */
export const mostInterruptions = 3;

/** What an end counts for. */
export interface Weighed {
  readonly end: SessionEnd;
  /** How often in a row the GPU was interrupted by now. */
  readonly interruptions: number;
}

/**
 * Decides on a GPU that has broken off; other ends stay as they are, and a verdict ends the row.
 *
 * @param before how often in a row the GPU was interrupted
 */
export function weigh(end: SessionEnd, { sold, occupied }: GpuNow, before: number): Weighed {
  if (end.state === 'not-now') return { end, interruptions: before };
  if (end.state !== 'broken-off') return { end, interruptions: 0 };
  if (sold) return { end: { ...end, state: 'not-now' }, interruptions: before };
  const isInterruption = end.reason === 'gone' || (end.reason === 'refused' && occupied);
  if (!isInterruption) return failed(end, end.message);
  const interruptions = before + 1;
  if (interruptions < mostInterruptions) return { end: { ...end, state: 'not-now' }, interruptions };
  return failed(end, `its work was interrupted, ${interruptions} times in a row: ${end.message}`);
}

function failed(end: SessionEnd, message: string): Weighed {
  return { end: { ...end, state: 'failed', reason: 'no-answer', message }, interruptions: 0 };
}
