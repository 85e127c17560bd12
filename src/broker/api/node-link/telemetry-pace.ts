// Which rounds of a node's telemetry are taken: one in five seconds in the long run, whatever its spool held back.
import type { Telemetry } from '../../../wire/gpubroker/node/v1/node_link.ts';
import type { NodeLinkLimits } from './limits.ts';
import type { TokenBuckets } from './token-bucket.ts';

/**
 * Rounds of a spool come as fast as they can be stored, so their own times tell how often the node took them. Those are
 * the node's word; the allowance by the broker's clock bounds what a node can make of it.
 */
export class TelemetryPace {
  readonly #spacing: number;
  readonly #allowances: TokenBuckets;
  readonly #nodeId: string;
  #last = Number.NEGATIVE_INFINITY;

  constructor(limits: NodeLinkLimits, allowances: TokenBuckets, nodeId: string) {
    this.#spacing = limits.telemetrySpacing;
    this.#allowances = allowances;
    this.#nodeId = nodeId;
  }

  /** @param now milliseconds, by the broker's clock */
  takes(round: Telemetry, now: number): boolean {
    const at = round.time?.getTime() ?? now;
    // A step back is a clock that was set, and no reason to drop anything.
    if (at >= this.#last && at - this.#last < this.#spacing) return false;
    if (!this.#allowances.take(this.#nodeId, now)) return false;
    this.#last = at;
    return true;
  }
}
