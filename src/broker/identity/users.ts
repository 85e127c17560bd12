// Users: who may sign in, for which account, in which role.
import { sql } from 'kysely';
import type { NewUser, UserChange, UserQuery, UserView } from '../../api/identity.ts';
import { newId } from '../ids.ts';
import { pageOf } from '../paging.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { idOf } from './accounts.ts';
import { actorOf, appendAudit } from './audit.ts';
import type { Identity } from './identity.ts';
import type { Principal } from './principal.ts';
import { endSessions } from './sessions.ts';
import { userView } from './views.ts';

interface UserServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
}

/** Orders who takes away an admin: "admi" in ASCII. */
const lastAdminLock = 0x61646d69;

/** Makes a user; without a password they sign in at an OIDC issuer or get one later. @throws Refusal conflict */
export async function createUser(
  { db, now, identity }: UserServices,
  by: Principal,
  given: NewUser,
): Promise<UserView> {
  const hash = given.password === undefined ? null : await identity.passwords.hash(given.password);
  const at = now();
  const email = given.email.toLowerCase();
  return db.transaction().execute(async (trx) => {
    const account = await trx.selectFrom('accounts').select('id').where('id', '=', given.account_id).executeTakeFirst();
    if (!account) throw invalid('body.account_id', given.account_id, 'the id of an account');
    const row = await trx
      .insertInto('users')
      .values({
        id: newId(at.getTime()),
        account_id: given.account_id,
        email,
        name: given.name,
        password_hash: hash,
        role: given.role,
        oidc_issuer: null,
        oidc_subject: null,
        created_at: at,
        disabled_at: null,
      })
      .onConflict((conflict) => conflict.column('email').doNothing())
      .returningAll()
      .executeTakeFirst();
    if (!row)
      throw new Refusal('conflict', 'GPUB_CONFLICT', `there is a user ${email} already`, { field: 'body.email' });
    await note(trx, at, by, row, 'user.create', { email, role: row.role });
    return userView(row);
  });
}

/** Users, oldest first. */
export async function listUsers(db: Database, { limit = 50, cursor, account_id }: UserQuery) {
  let query = db
    .selectFrom('users')
    .selectAll()
    .orderBy('id')
    .limit(limit + 1);
  if (cursor !== undefined) query = query.where('id', '>', idOf(cursor));
  if (account_id !== undefined) query = query.where('account_id', '=', account_id);
  return pageOf(await query.execute(), limit, ({ id }) => id, userView);
}

/** One user. @throws Refusal not-found */
export async function readUser(db: Queryable, id: string): Promise<UserView> {
  const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('user', id);
  return userView(row);
}

/**
 * Changes a user; what they hold is asked for anew at once, and sessions end with a new password or a disabled user.
 * @throws Refusal not-found; conflict where no admin would be left.
 */
export async function changeUser(
  { db, now, identity }: UserServices,
  by: Principal,
  id: string,
  { name, role, password, disabled }: UserChange,
): Promise<UserView> {
  const hash = password === undefined ? undefined : await identity.passwords.hash(password);
  const at = now();
  const { view, credentials } = await db.transaction().execute(async (trx) => {
    await lockAdmins(trx);
    const before = await trx.selectFrom('users').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
    if (!before) throw notFound('user', id);
    const disabledAt = disabled === undefined ? before.disabled_at : disabled ? (before.disabled_at ?? at) : null;
    const row = await trx
      .updateTable('users')
      .set({ name: name ?? before.name, role: role ?? before.role, disabled_at: disabledAt })
      .set(hash === undefined ? {} : { password_hash: hash })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    await requireAdminLeft(trx);
    // Asked before sessions end: all of them are to be forgotten.
    const held = await credentialsOf(trx, id);
    if (hash !== undefined || disabled === true) await endSessions(trx, at, { userId: id });
    const details = { name, role, disabled, ...(hash === undefined ? {} : { password: 'changed' }) };
    await note(trx, at, by, row, disabled === true ? 'user.disable' : 'user.update', details);
    return { view: userView(row), credentials: held };
  });
  await identity.cache.revoke(credentials);
  return view;
}

/** The ids of what a user can show now. */
export async function credentialsOf(trx: Queryable, userId: string): Promise<string[]> {
  const sessions = trx
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null);
  const keys = trx.selectFrom('api_keys').select('id').where('user_id', '=', userId).where('revoked_at', 'is', null);
  return (await sessions.unionAll(keys).execute()).map(({ id }) => id);
}

/** Lets one transaction at a time take away an admin; take it before the row of a user. */
export async function lockAdmins(trx: Queryable): Promise<void> {
  await sql`select pg_advisory_xact_lock(${lastAdminLock})`.execute(trx);
}

/** @throws Refusal conflict where no admin is left */
export async function requireAdminLeft(trx: Queryable): Promise<void> {
  const admin = await trx
    .selectFrom('users')
    .select('id')
    .where('role', '=', 'admin')
    .where('disabled_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  if (!admin) throw new Refusal('conflict', 'GPUB_CONFLICT', 'this is the last admin: make another one first');
}

async function note(
  trx: Queryable,
  at: Date,
  by: Principal,
  { id, account_id }: { id: string; account_id: string },
  action: string,
  details: Record<string, unknown>,
): Promise<void> {
  const target = { kind: 'user', id };
  await appendAudit(trx, at, {
    actor: actorOf(by),
    accountId: account_id,
    action,
    target,
    outcome: 'allowed',
    details,
  });
}
