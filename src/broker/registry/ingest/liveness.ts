// Who is still there: looks at all nodes with one timer, and finds those that have been silent for three heartbeats.
//
// The silence may be the broker's own: after its start, and after a stall or a jump of its clock, every node has three
// heartbeats to be heard again. One that has not come back since the start has longer, for it may be waiting out its
// back-off: an outage of the broker is none of its nodes.
import { dropsAreOver, type LiveNode, mustReportDrops } from './live-nodes.ts';

/** Beats that a node may miss. */
export const missedBeats = 3;
/** For a node to come back after the broker's start, in milliseconds: the longest back-off of an agent, and to connect. */
export const returnTime = 45_000;

export class Liveness {
  readonly #allowed: number;
  readonly #stall: number;
  /** Silence counts from here at the earliest; milliseconds, like all times here. */
  #since: number;
  #lastLook: number;

  /** @param heartbeat milliseconds */
  constructor(heartbeat: number, now: number) {
    this.#allowed = missedBeats * heartbeat;
    this.#stall = heartbeat;
    this.#since = now;
    this.#lastLook = now;
  }

  /** Whether a node has been silent for too long. An arrow, for it is handed around. */
  readonly overdue = (node: LiveNode, now: number): boolean => {
    const isAwaited = node.status !== 'offline' && node.lastBeat === Number.NEGATIVE_INFINITY;
    if (isAwaited) return now - this.#since > Math.max(this.#allowed, returnTime);
    const heard = node.status === 'offline' ? node.lastBeat : Math.max(node.lastBeat, this.#since);
    return now - heard > this.#allowed;
  };

  /** Finds the nodes whose status, or whose incidents, must be looked at. */
  look(nodes: Iterable<LiveNode>, now: number): string[] {
    this.notice(nodes, now);
    const found: string[] = [];
    for (const node of nodes) {
      const silent = this.overdue(node, now);
      if (node.status === 'offline' ? !silent : silent || needsReview(node, now)) found.push(node.id);
    }
    return found;
  }

  /** To be called several times a heartbeat, also while nobody looks: notices stalls and jumps of the clock. */
  notice(nodes: Iterable<LiveNode>, now: number): void {
    const passed = now - this.#lastLook;
    this.#lastLook = now;
    if (passed >= 0 && passed <= this.#stall) return;
    this.#since = now;
    // A clock that was set back: what is in its future would otherwise stay alive until then.
    if (passed < 0) for (const node of nodes) node.lastBeat = Math.min(node.lastBeat, now);
  }
}

function needsReview(node: LiveNode, now: number): boolean {
  if (node.gpus === undefined) return false;
  return node.skewed !== node.skewReported || mustReportDrops(node, now) || dropsAreOver(node, now);
}
