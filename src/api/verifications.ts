// Verifications as the API shows them: what GPUs were measured at, and the proofs that they were asked for.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { gpuHealths, gpuStatuses, labels } from './gpus.ts';
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

/** How a challenge has ended for one GPU. */
export const ChallengeOutcome = Type.Object({
  gpu_id: Id,
  gpu: Type.String({ description: 'Its name in the node.' }),
  verification_id: Nullable(Id),
  outcome: OneOf([...verificationOutcomes, 'not-now'], {
    description: 'not-now: it could not be challenged, so that nothing is recorded.',
  }),
  reason: Nullable(Type.String()),
  message: Type.String(),
});
export type ChallengeOutcome = Static<typeof ChallengeOutcome>;

export const ChallengeAnswer = Type.Object({
  finished: Type.Boolean({ description: 'False where it goes on: its outcomes come as verifications.' }),
  outcomes: Type.Array(ChallengeOutcome),
});
export type ChallengeAnswer = Static<typeof ChallengeAnswer>;

const Word = Type.String({ minLength: 1, maxLength: 200 });
const Gigabytes = Type.Number({ minimum: 0, maximum: 1_000_000 });
const Version = Type.String({ pattern: '^\\d{1,9}(\\.\\d{1,9}){0,5}$', maxLength: 60, examples: ['8.9'] });
const Figure = Type.Optional(Type.Number({ minimum: 0, maximum: 1e15 }));

/** What is asked of a GPU; a wish that is absent is none. Fields are those of the search for GPUs. */
export const FitRequest = Type.Object({
  product: Type.Optional({ ...Word, description: 'The id of a product, or an alias.' }),
  vendor: Type.Optional(Word),
  model: Type.Optional({ ...Word, description: 'The exact name that the driver gives.' }),
  memory_gb_min: Type.Optional({ ...Gigabytes, description: 'GiB.' }),
  memory_gb_max: Type.Optional({ ...Gigabytes, description: 'GiB.' }),
  compute_capability_min: Type.Optional(Version),
  driver_version_min: Type.Optional({ ...Version, examples: ['570.86'] }),
  health: Type.Optional(OneOf(gpuHealths)),
  status: Type.Optional(OneOf(gpuStatuses)),
  label_min: Type.Optional(OneOf(labels, { description: 'This label or a better one.' })),
  score_min: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  figures: Type.Optional(
    Type.Object(
      {
        fp32: Figure,
        fp16: Figure,
        int8: Figure,
        'tensor-fp16': Figure,
        'memory-bandwidth': Figure,
        'memory-latency': Figure,
        'memory-check': Figure,
        'host-to-device': Figure,
        'device-to-host': Figure,
        'parallel-efficiency': Figure,
        'ecc-corrected': Figure,
        'ecc-uncorrected': Figure,
      },
      { description: 'None of the newest measurement may be worse: lower, or higher where less is better.' },
    ),
  ),
});
export type FitRequest = Static<typeof FitRequest>;

const Value = Type.Union([Type.String(), Type.Number()]);

/** Whether it fits, wish by wish. */
export const Fit = Type.Object({
  fits: Type.Boolean(),
  checks: Type.Array(
    Type.Object({
      field: Type.String({ examples: ['score_min', 'figures.fp32'] }),
      wanted: Value,
      has: Type.Union([Type.String(), Type.Number(), Type.Null()], { description: 'Null where it is not known.' }),
      ok: Type.Boolean(),
    }),
  ),
});
export type Fit = Static<typeof Fit>;
