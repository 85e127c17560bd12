// Where a GPU stands after what is known of it: its label, its score, when it was verified; written with the journal's
// event, in the transaction of what was found out.
import { type Selectable, sql } from 'kysely';
import type { VerificationEventKind } from '../../api/verifications.ts';
import { appendToJournal } from '../events/journal.ts';
import { isHeld } from '../registry/holds.ts';
import { withConditions } from '../registry/search/search.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema, VerificationOutcome } from '../storage/schema.ts';
import { type VerificationInEvent, verificationEvent } from './events.ts';
import { hasFailed, isOfThisCard, type KnownOfGpu, labelOf } from './label.ts';

/** A GPU that is locked until the transaction ends. */
export type LockedGpu = Selectable<Schema['gpus']> & { readonly hostname: string; readonly sold: boolean };

/** Locks a GPU by a condition over `g`; undefined where there is none. */
export async function lockGpu(trx: Queryable, where: ReturnType<typeof sql>): Promise<LockedGpu | undefined> {
  const { rows } = await sql<LockedGpu>`
    select g.*, n.hostname, ${isHeld} as sold from gpus g join nodes n on n.id = g.node_id
    where ${where} for no key update of g
  `.execute(trx);
  return rows[0];
}

interface Newest {
  readonly id: string;
  readonly outcome: VerificationOutcome;
  readonly at: Date;
  readonly score: number | null;
}

/** Where a GPU stands, as columns of `gpus`. */
export type Standing = Pick<LockedGpu, 'label' | 'score' | 'measured_at' | 'verified_at'>;

/**
 * Stores where a GPU stands, and tells it; a GPU that is removed is told of when it is back. Call it last in the
 * transaction: it takes the journal's lock.
 */
export async function settleGpu(
  trx: Queryable,
  at: Date,
  gpu: LockedGpu,
  standing: Standing,
  kind: VerificationEventKind,
  verification?: VerificationInEvent,
): Promise<void> {
  const set = { ...standing, changed_at: at };
  await trx.updateTable('gpus').set(set).where('id', '=', gpu.id).execute();
  if (gpu.removed_at) return;
  const [shown] = await withConditions(trx, [{ ...gpu, ...set, node_offline: false }]);
  if (shown) await appendToJournal(trx, [verificationEvent(kind, at, shown, verification)]);
}

/** What follows for a GPU from what is stored of it. */
export async function standingOf(
  trx: Queryable,
  gpu: LockedGpu,
  { at, proofLifetime }: { readonly at: Date; readonly proofLifetime: number },
): Promise<Standing> {
  const proof = await newestOf(trx, gpu.id, 'proof', ['passed', 'failed']);
  const passed = await newestOf(trx, gpu.id, 'proof', ['passed']);
  const measurement = await newestOf(trx, gpu.id, 'measurement', ['passed', 'failed']);
  const measured = await newestOf(trx, gpu.id, 'measurement', ['passed', 'failed', 'unsupported']);
  const known: KnownOfGpu = {
    simulated: gpu.label === 'simulated',
    identifiedAt: gpu.identified_at?.getTime(),
    proof: proof && { passed: proof.outcome === 'passed', at: proof.at.getTime() },
    measurement: measurement && { inBand: measurement.outcome === 'passed', at: measurement.at.getTime() },
    sold: gpu.sold,
  };
  const timeOf = (one: Newest | undefined) => (one && isOfThisCard(known, { at: one.at.getTime() }) ? one.at : null);
  // Figures of one that was caught cheating are worth nothing; those of a simulated one were made up.
  const counts = !known.simulated && !hasFailed(known) && timeOf(measurement) !== null;
  return {
    label: labelOf(known, at.getTime(), proofLifetime),
    score: counts ? (measurement?.score ?? null) : null,
    measured_at: timeOf(measured),
    verified_at: timeOf(passed),
  };
}

/** The newest of a GPU with one of the outcomes. */
export async function newestOf(
  trx: Queryable,
  gpuId: string,
  kind: 'measurement' | 'proof',
  outcomes: readonly VerificationOutcome[],
): Promise<Newest | undefined> {
  return trx
    .selectFrom('verifications')
    .select(['id', 'outcome', 'at', 'score'])
    .where('gpu_id', '=', gpuId)
    .where('kind', '=', kind)
    .where('outcome', 'in', outcomes)
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}
