// What a node's status is.
//
//   offline ──joins or beats──▶ healthy ◀──all GPUs healthy, clock right──▶ degraded
//      ▲                           │                                           │
//      └──────────── no beat for three heartbeats ◀────────────────────────────┘
import type { GpuHealth } from '../../../daemon/health.ts';
import type { NodeStatus } from '../../storage/schema.ts';
import { skewLimit } from './live-nodes.ts';

/** What decides. */
export interface StatusFacts {
  readonly decommissioned: boolean;
  /** No beat for three heartbeats. */
  readonly overdue: boolean;
  /** Why its stream ended, where it did. */
  readonly leftBecause: string | undefined;
  readonly clockWrong: boolean;
  readonly health: Iterable<GpuHealth>;
}

export interface NodeVerdict {
  readonly status: NodeStatus;
  /** For people; empty for a healthy node. Names no figure that moves by itself. */
  readonly reason: string;
}

export function judgeNode({ decommissioned, overdue, leftBecause, clockWrong, health }: StatusFacts): NodeVerdict {
  if (decommissioned) return { status: 'offline', reason: 'decommissioned' };
  if (overdue) {
    const reason = leftBecause ? `its stream ended: ${leftBecause}` : 'no heartbeat came three times in a row';
    return { status: 'offline', reason: reason.slice(0, 500) };
  }
  const reasons = [...gpuReasons(health), ...(clockWrong ? [`its clock is more than ${skewLimit / 1000} s off`] : [])];
  return reasons.length === 0 ? { status: 'healthy', reason: '' } : { status: 'degraded', reason: reasons.join('; ') };
}

function gpuReasons(health: Iterable<GpuHealth>): string[] {
  const counts = { healthy: 0, unhealthy: 0, unknown: 0 };
  for (const word of health) counts[word]++;
  const { unhealthy, unknown } = counts;
  const all = counts.healthy + unhealthy + unknown;
  return [
    ...(unhealthy > 0 ? [`${unhealthy} of ${all} GPUs unhealthy`] : []),
    ...(unknown > 0 ? [`${unknown} of ${all} GPUs in an unknown state`] : []),
  ];
}
