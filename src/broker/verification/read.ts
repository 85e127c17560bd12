// Reads verifications: a page of them, one with its samples, and what its score comes to when it is made again.
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import type { Verification, VerificationDetails, VerificationQuery } from '../../api/verifications.ts';
import { type FigureName, figureNames, medianOf, type Samples, units } from '../../score/figures.ts';
import { type Results, scoreOf } from '../../score/score.ts';
import { requireOwner, visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { providersOf } from '../identity/visible-providers.ts';
import { isId } from '../ids.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { invalid, notFound } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { scoreless, type Yardstick } from './grade.ts';

type Row = Selectable<Schema['verifications']>;

/** When, in milliseconds since 1970, and the id. */
const readCursor = cursorReader(Type.Tuple([Type.Integer({ minimum: 0, maximum: 8.64e15 }), Type.String()]));

/** Newest first. */
export async function listVerifications(db: Queryable, principal: Principal, query: VerificationQuery) {
  const { limit = 50, cursor, since, ...equal } = query;
  const place = readCursor(cursor);
  if (place && !isId(place[1])) throw invalid('query.cursor', cursor, 'the next_cursor of the page before');
  const providers = await providersOf(db, visibleAccount(principal));
  const filters = Object.entries(equal) as [keyof typeof equal, string][];
  let rows = db.selectFrom('verifications').selectAll();
  if (providers) rows = rows.where('provider_id', 'in', providers.length > 0 ? providers : [nobody]);
  for (const [name, value] of filters) rows = rows.where(name, '=', value as never);
  if (since !== undefined) rows = rows.where('at', '>=', new Date(since));
  if (place) rows = rows.where(sql<boolean>`(at, id) < (${new Date(place[0])}, ${place[1]}::uuid)`);
  const found = await rows
    .orderBy('at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(found, limit, ({ at, id }) => [at.getTime(), id], verificationView);
}

const nobody = '00000000-0000-0000-0000-000000000000';

/** @throws Refusal not-found */
export async function readVerification(db: Queryable, principal: Principal, id: string): Promise<VerificationDetails> {
  const row = await db
    .selectFrom('verifications')
    .innerJoin('providers', 'providers.id', 'verifications.provider_id')
    .selectAll('verifications')
    .select('providers.account_id')
    .where('verifications.id', '=', id)
    .executeTakeFirst();
  requireOwner(principal, row?.account_id, 'verification', id);
  if (!row) throw notFound('verification', id);
  const figures = (await readSamples(db, id)).map(({ name, samples }) => {
    return { name, unit: units[name], median: medianOf(samples), samples: [...samples] };
  });
  return { ...verificationView(row), figures, evidence: row.evidence };
}

/**
 * The score of a measurement, made again of what is stored of it: the same as is stored, as long as the formula is.
 * @returns null where it has none
 * @throws Refusal not-found
 */
export async function scoreAgain(db: Queryable, id: string): Promise<number | null> {
  const row = await db.selectFrom('verifications').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('verification', id);
  const { yardstick, unmeasured } = row.evidence as Partial<Pick<Results, 'unmeasured'> & { yardstick: Yardstick }>;
  if (!yardstick || !unmeasured || (row.reason !== null && scoreless.has(row.reason))) return null;
  return scoreOf({ figures: await readSamples(db, id), unmeasured }, yardstick.bands).score ?? null;
}

/** In the order of {@link figureNames}, each in the order in which they were taken. */
export async function readSamples(db: Queryable, id: string): Promise<Samples[]> {
  const rows = await db
    .selectFrom('verification_samples')
    .select(['name', 'value'])
    .where('verification_id', '=', id)
    .orderBy('repeat')
    .execute();
  const byName = Map.groupBy(rows, ({ name }) => name);
  return figureNames.flatMap((name: FigureName): Samples[] => {
    const samples = byName.get(name)?.map(({ value }) => value);
    return samples ? [{ name, samples }] : [];
  });
}

function verificationView(row: Row): Verification {
  const { id, gpu_id, node_id, provider_id, kind, outcome, reason, message, product, label, score, effort } = row;
  return {
    ...{ id, gpu_id, node_id, provider_id, kind, outcome, reason, message, product, label, score, effort },
    at: row.at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}
