// What a GPU's silence counts for, once its work has begun: a cheat must not get away by hanging up.
//
//   it is sold meanwhile, by the broker's own books            -- excused: nothing is recorded
//   its node is connected, and says nothing until the deadline -- failed
//   its node refuses to go on, and the inventory shows nobody else on the GPU -- failed
//   its node refuses, and the inventory shows a pod or a foreign process      -- interrupted
//   its node's stream has ended                                               -- interrupted
//
// Pods, processes and streams are the node's own word: they interrupt a GPU twice, and the third time in a row, without a
// verdict in between, it has failed. And a GPU that bears the label of a passed challenge and lets itself not be challenged
// at all, while the broker takes it for free, has failed the eighth time in a row.
import type { SessionEnd } from './session.ts';

/** What the broker knows of a GPU after its challenge. */
export interface GpuNow {
  /** A trade holds it. */
  readonly sold: boolean;
  /** Its node shows a pod or a process on it. */
  readonly occupied: boolean;
  /** It bears the label of a passed challenge. */
  readonly proven: boolean;
}

/** What is remembered of a GPU: how often in a row it came to no verdict. */
export interface Evasions {
  readonly interrupted: number;
  readonly refused: number;
}

export const noEvasions: Evasions = { interrupted: 0, refused: 0 };

/** A GPU fails when it comes to so many in a row. */
export const mostInterruptions = 3;
export const mostRefusals = 8;

/** Decides on an end without a verdict; others stay as they are, and end the row. */
export function weigh(end: SessionEnd, now: GpuNow, before: Evasions): { end: SessionEnd; evasions: Evasions } {
  if (end.state === 'broken-off') return weighSilence(end, now, before);
  if (end.state !== 'not-now') return { end, evasions: noEvasions };
  if (now.sold || now.occupied || !now.proven || isOurs(end.reason)) return { end, evasions: before };
  const refused = before.refused + 1;
  if (refused < mostRefusals) return { end, evasions: { ...before, refused } };
  return failed(end, `it was not to be challenged, ${refused} times in a row: ${end.message}`);
}

function weighSilence(end: SessionEnd, { sold, occupied }: GpuNow, before: Evasions) {
  const notNow = { ...end, state: 'not-now' as const };
  if (sold) return { end: notNow, evasions: before };
  const isInterruption = end.reason === 'gone' || (end.reason === 'refused' && occupied);
  const interrupted = before.interrupted + 1;
  if (!isInterruption) return failed(end, end.message);
  if (interrupted < mostInterruptions) return { end: notNow, evasions: { ...before, interrupted } };
  return failed(end, `its work was interrupted, ${interrupted} times in a row: ${end.message}`);
}

function failed(end: SessionEnd, message: string): { end: SessionEnd; evasions: Evasions } {
  return { end: { ...end, state: 'failed', reason: 'no-answer', message }, evasions: noEvasions };
}

/** The broker's own troubles, and nodes that are not there: they are offline, which sells nothing. */
function isOurs(reason: string | undefined): boolean {
  return reason === 'broker' || reason === 'verifier' || reason === 'gone' || reason === 'unasked';
}
