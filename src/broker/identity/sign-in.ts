// Signing in with e-mail address and password, signing out, a new password, and who one is.
import type { Login, Me, PasswordChange, SessionView } from '../../api/identity.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { actorOf, appendAudit } from './audit.ts';
import type { Identity } from './identity.ts';
import type { Principal } from './principal.ts';
import { endSessions } from './sessions.ts';
import { accountView, userView } from './views.ts';

export interface SignInServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
}

/**
 * Begins a session. What is wrong, user or password, is not told, nor does the time tell it.
 * @param address where the request came from, for the audit log.
 * @throws Refusal unauthenticated
 */
export async function signIn(services: SignInServices, given: Login, address: string): Promise<SessionView> {
  const { db, now, identity } = services;
  const email = given.email.toLowerCase();
  const user = await db.selectFrom('users').selectAll().where('email', '=', email).executeTakeFirst();
  const { good, rehash } = await identity.passwords.check(given.password, user?.password_hash);
  if (!user || !good || user.disabled_at) {
    const reason = user?.disabled_at && good ? 'disabled' : 'wrong e-mail address or password';
    const target = user ? { kind: 'user', id: user.id } : undefined;
    const entry = {
      actor: { kind: 'anonymous' as const },
      accountId: user?.account_id,
      action: 'session.start',
      target,
    };
    await appendAudit(db, now(), { ...entry, outcome: 'failed', details: { email, address, reason } });
    throw wrong();
  }
  const hash = rehash ? await identity.passwords.hash(given.password) : undefined;
  return db.transaction().execute(async (trx) => {
    const current = trx.selectFrom('users').select('password_hash').where('id', '=', user.id).forNoKeyUpdate();
    // The password was changed while it was checked, and sessions that it had opened have ended.
    if ((await current.executeTakeFirst())?.password_hash !== user.password_hash) throw wrong();
    if (hash !== undefined) {
      await trx.updateTable('users').set({ password_hash: hash }).where('id', '=', user.id).execute();
    }
    return startSession(services, trx, user.id, { address, way: 'password' });
  });
}

function wrong(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', 'the e-mail address or the password is wrong');
}

/** Begins a session of somebody who has proved who they are. @throws Refusal for who is disabled. */
export async function startSession(
  { now, identity }: SignInServices,
  trx: Queryable,
  userId: string,
  details: Record<string, unknown>,
): Promise<SessionView> {
  // Locked: whoever disables the user ends this session too, or comes first.
  const row = trx.selectFrom('users').selectAll().where('id', '=', userId).forNoKeyUpdate();
  const user = await row.executeTakeFirst();
  if (!user || user.disabled_at) throw new Refusal('forbidden', 'GPUB_FORBIDDEN', 'this user is disabled');
  const { id, token, expiresAt } = await identity.sessions.start(trx, userId);
  const target = { kind: 'session', id };
  const entry = { actor: { kind: 'user' as const, id: userId }, accountId: user.account_id, action: 'session.start' };
  await appendAudit(trx, now(), { ...entry, target, outcome: 'allowed', details });
  const view = userView(user);
  return { access_token: token, token_type: 'Bearer', expires_at: expiresAt.toISOString(), user: view };
}

/** Ends the caller's session. @throws Refusal conflict for API keys, which are revoked instead. */
export async function signOut({ db, now, identity }: SignInServices, by: Principal): Promise<void> {
  if (by.kind !== 'user') {
    throw new Refusal(
      'conflict',
      'GPUB_CONFLICT',
      'an API key has no session: revoke it with DELETE /auth/api-keys/{id}',
    );
  }
  const id = by.credentialId;
  await db.transaction().execute(async (trx) => {
    await endSessions(trx, now(), { id });
    const entry = { actor: actorOf(by), accountId: by.accountId, action: 'session.end' };
    await appendAudit(trx, now(), { ...entry, target: { kind: 'session', id }, outcome: 'allowed' });
  });
  await identity.cache.revoke([id]);
}

/** Who the caller is, as stored now. */
export async function whoAmI(db: Database, by: Principal): Promise<Me> {
  const user = await db.selectFrom('users').selectAll().where('id', '=', by.userId).executeTakeFirst();
  if (!user) throw notFound('user', by.userId);
  const account = db.selectFrom('accounts').selectAll().where('id', '=', user.account_id);
  return {
    user: userView(user),
    account: accountView(await account.executeTakeFirstOrThrow()),
    credential: { kind: by.kind, id: by.credentialId, scopes: [...by.scopes] },
  };
}

/**
 * Sets the caller's password; their other sessions end. The current one is asked for where there is one.
 * @throws Refusal for a wrong current password; conflict where it was changed meanwhile.
 */
export async function changePassword(services: SignInServices, by: Principal, given: PasswordChange): Promise<void> {
  const { db, now, identity } = services;
  const user = await db.selectFrom('users').selectAll().where('id', '=', by.userId).executeTakeFirstOrThrow();
  if (user.password_hash !== null) {
    if (given.current_password === undefined) throw invalid('body.current_password', null, 'your current password');
    const { good } = await identity.passwords.check(given.current_password, user.password_hash);
    if (!good) {
      const entry = { actor: actorOf(by), accountId: by.accountId, action: 'password.change' };
      await appendAudit(db, now(), { ...entry, outcome: 'failed', details: { reason: 'wrong current password' } });
      throw new Refusal('forbidden', 'GPUB_FORBIDDEN', 'the current password is wrong', {
        field: 'body.current_password',
      });
    }
  }
  const hash = await identity.passwords.hash(given.new_password);
  const ended = await db.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('users')
      .set({ password_hash: hash })
      .where('id', '=', by.userId)
      .where('password_hash', 'is not distinct from', user.password_hash)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) throw new Refusal('conflict', 'GPUB_CONFLICT', 'the password was changed meanwhile');
    const except = by.kind === 'user' ? by.credentialId : undefined;
    const sessions = await endSessions(trx, now(), { userId: by.userId, except });
    const target = { kind: 'user', id: by.userId };
    const entry = { actor: actorOf(by), accountId: by.accountId, action: 'password.change', target };
    await appendAudit(trx, now(), { ...entry, outcome: 'allowed', details: { sessions_ended: sessions.length } });
    return sessions;
  });
  await identity.cache.revoke(ended);
}
