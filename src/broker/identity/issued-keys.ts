// The API keys of a user: made, listed, revoked.
import type { IssuedApiKey, NewApiKey } from '../../api/identity.ts';
import type { PageQuery } from '../../api/lists.ts';
import { newId } from '../ids.ts';
import { pageOf } from '../paging.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { idOf } from './accounts.ts';
import { makeKey } from './api-keys.ts';
import { actorOf, appendAudit } from './audit.ts';
import { hasScope } from './policy.ts';
import type { Principal } from './principal.ts';
import type { PrincipalCache } from './principal-cache.ts';
import { apiKeyView } from './views.ts';

/** Of one user; revoked and expired ones do not count. */
const maxKeys = 100;

/** Makes a key of the caller, with no scope that the caller lacks. @throws Refusal */
export async function createApiKey(db: Database, now: Date, by: Principal, given: NewApiKey): Promise<IssuedApiKey> {
  const expiresAt = given.expires_at === undefined ? null : new Date(given.expires_at);
  if (expiresAt && expiresAt <= now) throw invalid('body.expires_at', given.expires_at, 'a time to come');
  const beyond = given.scopes.find((scope) => !hasScope(by.scopes, scope));
  if (beyond) throw new Refusal('forbidden', 'GPUB_FORBIDDEN', `a key cannot give the scope ${beyond}, which it lacks`);
  const id = newId(now.getTime());
  const { text, hash } = makeKey(id);
  return db.transaction().execute(async (trx) => {
    // Two at once must not both be the last one allowed.
    await trx.selectFrom('users').select('id').where('id', '=', by.userId).forUpdate().execute();
    const { count } = await trx
      .selectFrom('api_keys')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('user_id', '=', by.userId)
      .where('revoked_at', 'is', null)
      .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
      .executeTakeFirstOrThrow();
    if (count >= maxKeys) throw new Refusal('conflict', 'GPUB_CONFLICT', `you have ${maxKeys} keys: revoke one first`);
    const fields = { id, user_id: by.userId, name: given.name, hash, scopes: [...given.scopes], created_at: now };
    const row = { ...fields, expires_at: expiresAt, revoked_at: null, last_used_at: null };
    await trx.insertInto('api_keys').values(row).execute();
    const details = { name: given.name, scopes: given.scopes, expires_at: given.expires_at };
    const target = { kind: 'api-key', id };
    const entry = { actor: actorOf(by), accountId: by.accountId, action: 'api-key.create', target, details };
    await appendAudit(trx, now, { ...entry, outcome: 'allowed' });
    return { ...apiKeyView(row), key: text };
  });
}

/** The caller's keys, newest first. */
export async function listApiKeys(db: Database, by: Principal, { limit = 50, cursor }: PageQuery) {
  let query = db.selectFrom('api_keys').selectAll().where('user_id', '=', by.userId);
  if (cursor !== undefined) query = query.where('id', '<', idOf(cursor));
  const rows = await query
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ id }) => id, apiKeyView);
}

/** Revokes a key: the caller's own; an admin anybody's. @throws Refusal not-found */
export async function revokeApiKey(
  { db, now, cache }: { db: Database; now: Date; cache: PrincipalCache },
  by: Principal,
  id: string,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    let query = trx.updateTable('api_keys').set({ revoked_at: now }).where('id', '=', id);
    if (by.role !== 'admin') query = query.where('user_id', '=', by.userId);
    const row = await query.where('revoked_at', 'is', null).returning(['user_id', 'name']).executeTakeFirst();
    if (!row) throw notFound('api key', id);
    // The owner's matter, also where an admin of another account did it.
    const owner = await trx.selectFrom('users').select('account_id').where('id', '=', row.user_id).executeTakeFirst();
    const target = { kind: 'api-key', id };
    const entry = { actor: actorOf(by), accountId: owner?.account_id, action: 'api-key.revoke', target };
    await appendAudit(trx, now, { ...entry, details: { name: row.name }, outcome: 'allowed' });
  });
  await cache.revoke([id]);
}
