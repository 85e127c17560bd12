// The journal's events about verifications: each shows the GPU after it, and what was verified.
import type { Gpu } from '../../api/gpus.ts';
import type { VerificationEventKind } from '../../api/verifications.ts';
import type { JournalEvent } from '../events/journal.ts';

/** What of a verification stands in its event. */
export interface VerificationInEvent {
  readonly id: string;
  readonly kind: 'measurement' | 'proof';
  readonly outcome: 'passed' | 'failed' | 'unsupported';
  readonly reason: string | null;
}

/** The event about a GPU; `verification` is absent where a label ran out by itself. */
export function verificationEvent(
  kind: VerificationEventKind,
  at: Date,
  gpu: Gpu,
  verification?: VerificationInEvent,
): JournalEvent {
  const { provider_id: providerId, cluster_id: clusterId, node_id: nodeId, id: gpuId } = gpu;
  const data = verification ? { ...gpu, verification } : gpu;
  return { kind, at, providerId, clusterId, nodeId, gpuId, data };
}
