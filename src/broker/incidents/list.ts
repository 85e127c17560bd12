// Reads incidents: one, a page of them, and how fast they are dealt with.
import { type SelectQueryBuilder, sql } from 'kysely';
import { Type } from 'typebox';
import type { Incident, IncidentFigures, IncidentFiguresQuery, IncidentQuery } from '../../api/incidents.ts';
import { requireOwner, visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { notFound } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { type IncidentRow, incidentRecord } from './record.ts';

const readCursor = cursorReader(Type.Object({ id: Type.String({ format: 'uuid' }) }));

/** An incident that one may see, with whose it is. @throws Refusal not-found. */
export async function ownedIncident(
  db: Queryable,
  principal: Principal,
  id: string,
): Promise<IncidentRow & { account_id: string | null }> {
  const row = await db
    .selectFrom('incidents')
    .leftJoin('providers', 'providers.id', 'incidents.provider_id')
    .selectAll('incidents')
    .select('providers.account_id')
    .where('incidents.id', '=', id)
    .executeTakeFirst();
  if (!row) throw notFound('incident', id);
  // What concerns no provider is for admins.
  if (visibleAccount(principal) !== undefined) requireOwner(principal, row.account_id, 'incident', id);
  return row;
}

/** @throws Refusal not-found. */
export async function readIncident(db: Queryable, principal: Principal, id: string): Promise<Incident> {
  return incidentRecord(await ownedIncident(db, principal, id));
}

/** Newest first. */
export async function listIncidents(db: Queryable, principal: Principal, query: IncidentQuery) {
  const { limit = 50, cursor, status } = query;
  const place = readCursor(cursor);
  const rows = await filtered(db.selectFrom('incidents'), principal, query)
    .selectAll('incidents')
    .$if(status !== undefined, (q) => q.where('incidents.status', '=', status ?? 'open'))
    .$if(place !== undefined, (q) => q.where('incidents.id', '<', place?.id ?? ''))
    .orderBy('incidents.id', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ id }) => ({ id }), incidentRecord);
}

/** How many of each kind, and how long until they were acknowledged and closed. */
export async function incidentFigures(
  db: Queryable,
  principal: Principal,
  query: IncidentFiguresQuery,
): Promise<IncidentFigures> {
  const rows = await filtered(db.selectFrom('incidents'), principal, query)
    .select(({ fn }) => [
      'incidents.kind',
      fn.countAll<number>().as('incidents'),
      sql<number>`count(*) filter (where incidents.closed_at is null)`.as('open'),
      sql<number>`sum(incidents.occurrences)`.as('occurrences'),
      delay('acknowledged_at').as('seconds_to_acknowledge'),
      delay('closed_at').as('seconds_to_close'),
    ])
    .groupBy('incidents.kind')
    .orderBy('incidents.kind')
    .execute();
  return { items: rows };
}

interface Delay {
  mean: number | null;
  p50: number | null;
  p95: number | null;
}

function delay(column: 'acknowledged_at' | 'closed_at') {
  const seconds = sql`extract(epoch from ${sql.ref(`incidents.${column}`)} - incidents.opened_at)::float8`;
  return sql<Delay>`json_build_object(
    'mean', avg(${seconds}),
    'p50', percentile_cont(0.5) within group (order by ${seconds}),
    'p95', percentile_cont(0.95) within group (order by ${seconds}))`;
}

function filtered(
  from: SelectQueryBuilder<Schema, 'incidents', object>,
  principal: Principal,
  query: IncidentFiguresQuery,
) {
  const account = visibleAccount(principal);
  const { kind, severity, from: since, to: until } = query;
  let found = from;
  if (account !== undefined) {
    found = found.where('incidents.provider_id', 'in', (q) =>
      q.selectFrom('providers').select('providers.id').where('providers.account_id', '=', account),
    );
  }
  for (const column of ['provider_id', 'cluster_id', 'node_id', 'gpu_id'] as const) {
    const wanted = query[column];
    if (wanted !== undefined) found = found.where(`incidents.${column}`, '=', wanted);
  }
  if (kind !== undefined) found = found.where('incidents.kind', '=', kind);
  if (severity !== undefined) found = found.where('incidents.severity', '=', severity);
  if (since !== undefined) found = found.where('incidents.opened_at', '>=', new Date(since));
  if (until !== undefined) found = found.where('incidents.opened_at', '<', new Date(until));
  return found;
}
