// Writes verifications with their samples, within bounds: what is sent once more, what grows too large, what there are
// too many of.
import { type Insertable, sql } from 'kysely';
import type { Samples } from '../../score/figures.ts';
import { units } from '../../score/figures.ts';
import { storableText } from '../registry/ingest/storable.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema, VerificationKind, VerificationOutcome } from '../storage/schema.ts';

/** Of a GPU, of each kind and outcome: a node that measures without end fills no disk. */
export const mostKept = 100;
/** Characters of evidence, as JSON. */
export const mostEvidence = 256 * 1024;
/** Characters of a reason, and of a message. */
const reasonLength = 100;
const messageLength = 2_000;

/** What is written; bounds and texts that PostgreSQL cannot store are seen to here. */
export type NewVerification = Omit<Insertable<Schema['verifications']>, 'evidence'> & {
  readonly evidence: Record<string, unknown>;
};

/** @returns false where one with this id is stored already */
export async function storeVerification(trx: Queryable, given: NewVerification): Promise<boolean> {
  const stored = await trx
    .insertInto('verifications')
    .values({
      ...given,
      reason: storableText(given.reason ?? undefined, reasonLength),
      message: storableText(given.message ?? undefined, messageLength),
      evidence: boundedJson(given.evidence),
    })
    .onConflict((same) => same.column('id').doNothing())
    .returning('id')
    .executeTakeFirst();
  return stored !== undefined;
}

/** In the order in which they were taken. */
export async function storeSamples(trx: Queryable, id: string, figures: readonly Samples[]): Promise<void> {
  const rows = figures.flatMap(({ name, samples }) =>
    samples.map((value, repeat) => ({ name, repeat, value, unit: units[name] })),
  );
  await sql`
    insert into verification_samples (verification_id, name, repeat, value, unit)
    select ${id}, name, repeat, value, unit from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as sample (name text, repeat integer, value double precision, unit text)
  `.execute(trx);
}

/** Removes the oldest of a GPU beyond {@link mostKept}. */
export async function removeSurplus(
  trx: Queryable,
  gpuId: string,
  kind: VerificationKind,
  outcome: VerificationOutcome,
): Promise<void> {
  await sql`
    delete from verifications where id in (
      select id from verifications where gpu_id = ${gpuId} and kind = ${kind} and outcome = ${outcome}
      order by at desc, id desc offset ${mostKept}
    )
  `.execute(trx);
}

/** JSON that PostgreSQL takes and that is not too long: what is largest is left out, and named. */
function boundedJson(evidence: Record<string, unknown>): string {
  const whole = storableJson(evidence);
  if (whole.length <= mostEvidence) return whole;
  const parts = Object.entries(evidence).map(([name, value]) => ({ name, json: storableJson({ [name]: value }) }));
  parts.sort((a, b) => a.json.length - b.json.length);
  let room = mostEvidence - 4_096;
  const kept = parts.filter(({ json }) => {
    room -= json.length;
    return room >= 0;
  });
  const left = parts.slice(kept.length).map(({ name }) => name.slice(0, reasonLength));
  const names = new Set(kept.map(({ name }) => name));
  const shorter = Object.fromEntries(Object.entries(evidence).filter(([name]) => names.has(name)));
  return storableJson({ ...shorter, left_out: left.slice(0, 20) });
}

function storableJson(value: Record<string, unknown>): string {
  return JSON.stringify(value, (_name, field: unknown) => {
    if (typeof field === 'bigint') return String(field);
    return typeof field === 'string' ? field.toWellFormed().replaceAll('\0', '\uFFFD') : field;
  });
}
