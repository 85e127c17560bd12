// The metric of what is kept of verifications.
import { Counter, type Registry } from 'prom-client';
import type { VerificationKind, VerificationOutcome } from '../storage/schema.ts';

/** Counts one that was stored. */
export type CountVerification = (kind: VerificationKind, outcome: VerificationOutcome) => void;

export function verificationMetrics(registry: Registry): CountVerification {
  const counter = new Counter({
    name: 'gpubroker_verifications_total',
    help: 'Measurements and proofs that were stored, by kind and outcome.',
    labelNames: ['kind', 'outcome'],
    registers: [registry],
  });
  return (kind, outcome) => counter.inc({ kind, outcome });
}
