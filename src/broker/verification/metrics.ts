// The metrics of challenges.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface ChallengeMetrics {
  readonly ended: Counter<'outcome' | 'reason'>;
  readonly seconds: Histogram;
  readonly verdictSeconds: Histogram;
}

/** The reasons that are told apart; nodes may give any other. */
const reasons = new Set([
  'malformed',
  'not-committed',
  'wrong-product',
  'too-slow',
  'no-answer',
  'held',
  'busy',
  'unhealthy',
  'unsupported',
  'no-plan',
  'slower-than-assumed',
  'gone',
  'silent',
  'refused',
  'broker',
  'verifier',
]);

export function challengeMetrics(registry: Registry, rounds: () => number): ChallengeMetrics {
  const registers = [registry];
  new Gauge({
    name: 'gpubroker_challenge_rounds_in_progress',
    help: 'Rounds of challenges that are under way.',
    registers,
    collect() {
      this.set(rounds());
    },
  });
  return {
    ended: new Counter({
      name: 'gpubroker_challenges_total',
      help: 'Challenges of GPUs, by outcome (passed, failed, unsupported, not-now) and its reason.',
      labelNames: ['outcome', 'reason'],
      registers,
    }),
    seconds: new Histogram({
      name: 'gpubroker_challenge_seconds',
      help: 'Time from the word to begin until the answer came.',
      buckets: [0.1, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 10, 30, 60],
      registers,
    }),
    verdictSeconds: new Histogram({
      name: 'gpubroker_challenge_verdict_seconds',
      help: 'Time that the verdict on one GPU took, in the thread that judges.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
      registers,
    }),
  };
}

/** The label of a reason. */
export function reasonLabel(reason: string | undefined): string {
  if (reason === undefined) return '';
  return reasons.has(reason) ? reason : 'other';
}
