// Verifications as the API shows them: what GPUs were measured at, and the proofs that they were asked for.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { labels } from './gpus.ts';
import { Page, pageFields } from './lists.ts';

export const verificationKinds = ['measurement', 'proof'] as const;
export const verificationOutcomes = ['passed', 'failed', 'unsupported'] as const;

/** The events about them, as the stream and the journal name them. */
export const verificationEventKinds = [
  'gpu.measured',
  'gpu.verified',
  'gpu.verification_failed',
  'gpu.verification_expired',
] as const;
export type VerificationEventKind = (typeof verificationEventKinds)[number];

const fields = {
  id: Id,
  gpu_id: Id,
  node_id: Id,
  provider_id: Id,
  kind: OneOf(verificationKinds),
  outcome: OneOf(verificationOutcomes, {
    description:
      'Of a measurement: passed where its figures lie in the band of the product, failed where they do not, ' +
      'unsupported where there is nothing to hold them against. Of a proof: unsupported where none could be asked for.',
  }),
  reason: Nullable(Type.String({ description: 'Why it did not pass, as a word for programs.' })),
  message: Nullable(Type.String({ description: 'The same for people.' })),
  product: Nullable(Type.String({ description: 'What the GPU was sold as.' })),
  label: OneOf(labels, { description: 'The label of the GPU after it.' }),
  score: Nullable(Type.Integer({ minimum: 0, maximum: 100, description: 'Of a measurement.' })),
  effort: Nullable(Type.String()),
  at: { ...Time, description: 'By the broker’s clock.' },
  started_at: Nullable({ ...Time, description: 'By the node’s clock.' }),
  ended_at: Nullable({ ...Time, description: 'By the node’s clock.' }),
};

export const Verification = Type.Object(fields);
export type Verification = Static<typeof Verification>;
export const VerificationPage = Page(Verification);

export const VerificationDetails = Type.Object({
  ...fields,
  figures: Type.Array(
    Type.Object({
      name: Type.String({ examples: ['memory-bandwidth'] }),
      unit: Type.String({ examples: ['GB/s'] }),
      median: Type.Number(),
      samples: Type.Array(Type.Number()),
    }),
    { description: 'What was measured; none of a proof.' },
  ),
  evidence: Type.Record(Type.String(), Type.Unknown(), {
    description:
      'Of a measurement: how it was taken, the band and the parts of the score. Of a proof: what was asked and answered.',
  }),
});
export type VerificationDetails = Static<typeof VerificationDetails>;

export const VerificationQuery = Type.Object({
  ...pageFields,
  gpu_id: Type.Optional(Id),
  node_id: Type.Optional(Id),
  provider_id: Type.Optional(Id),
  kind: Type.Optional(OneOf(verificationKinds)),
  outcome: Type.Optional(OneOf(verificationOutcomes)),
  since: Type.Optional({ ...Time, description: 'Not older than this.' }),
});
export type VerificationQuery = Static<typeof VerificationQuery>;

export const ChallengeAccepted = Type.Object({
  success: Type.Literal(true),
  message: Type.String(),
});
export type ChallengeAccepted = Static<typeof ChallengeAccepted>;
