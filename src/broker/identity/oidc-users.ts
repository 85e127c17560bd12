// From what an OIDC issuer says about somebody to a user of ours.
import type { Selectable } from 'kysely';
import { newId } from '../ids.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import type { Role, Schema } from '../storage/schema.ts';
import { appendAudit } from './audit.ts';
import { lockAdmins, requireAdminLeft } from './users.ts';

/** What an issuer says; everything but `iss` and `sub` may be missing, or of another type. */
export interface OidcClaims {
  readonly iss: string;
  readonly sub: string;
  readonly [claim: string]: unknown;
}

type User = Selectable<Schema['users']>;

/** Of those that the issuer gives somebody, the one that may most. */
const strongest: readonly Role[] = ['admin', 'provider', 'developer', 'consumer'];

/**
 * The user that the claims are about: known by issuer and subject; else, if the issuer has verified the e-mail address,
 * the one of that address; else a new one in an account of their own.
 * @param rolesClaim where the issuer lists roles; undefined where roles are not its business.
 * @throws Refusal conflict where the address is another user's and not verified, or the last admin would be none.
 */
export async function userOfClaims(
  trx: Queryable,
  now: Date,
  claims: OidcClaims,
  rolesClaim: string | undefined,
): Promise<string> {
  const role = rolesClaim === undefined ? undefined : roleOf(claims, rolesClaim);
  if (role !== undefined) await lockAdmins(trx);
  const users = trx.selectFrom('users').selectAll().forUpdate();
  const known = await users
    .where('oidc_issuer', '=', claims.iss)
    .where('oidc_subject', '=', claims.sub)
    .executeTakeFirst();
  if (known) return followRole(trx, now, known, role);
  const email = typeof claims.email === 'string' ? claims.email.toLowerCase().slice(0, 254) : undefined;
  if (email === undefined || !email.includes('@')) {
    throw new Refusal('forbidden', 'GPUB_FORBIDDEN', 'the issuer tells no e-mail address: it needs the scope email');
  }
  const local = await users.where('email', '=', email).executeTakeFirst();
  if (!local) return addUser(trx, now, claims, email, role ?? 'consumer');
  if (claims.email_verified !== true || local.oidc_issuer !== null) {
    const text = `there is another user ${email}: sign in as before; it is linked once the issuer has verified the address`;
    throw new Refusal('conflict', 'GPUB_CONFLICT', text);
  }
  const link = { oidc_issuer: claims.iss, oidc_subject: claims.sub };
  await trx.updateTable('users').set(link).where('id', '=', local.id).execute();
  await note(trx, now, local, 'user.link', { issuer: claims.iss });
  return followRole(trx, now, local, role);
}

/** Where roles are the issuer's business, it decides. Principals are remembered for seconds, then the new role counts. */
async function followRole(trx: Queryable, now: Date, user: User, role: Role | undefined): Promise<string> {
  if (role === undefined || role === user.role) return user.id;
  await trx.updateTable('users').set({ role }).where('id', '=', user.id).execute();
  await requireAdminLeft(trx);
  await note(trx, now, user, 'user.update', { role, before: user.role, by: 'issuer' });
  return user.id;
}

async function addUser(trx: Queryable, now: Date, claims: OidcClaims, email: string, role: Role): Promise<string> {
  const name = typeof claims.name === 'string' && claims.name.trim() ? claims.name.trim().slice(0, 200) : email;
  const account = { id: newId(now.getTime()), name, created_at: now };
  await trx.insertInto('accounts').values(account).execute();
  const user: User = {
    id: newId(now.getTime()),
    account_id: account.id,
    email,
    name,
    password_hash: null,
    role,
    oidc_issuer: claims.iss,
    oidc_subject: claims.sub,
    created_at: now,
    disabled_at: null,
  };
  await trx.insertInto('users').values(user).execute();
  await note(trx, now, user, 'user.create', { email, role, issuer: claims.iss });
  return user.id;
}

/**
 * The role that a claim gives: the strongest of ours that it lists; consumer where it lists none, so that who loses a
 * role at the issuer loses it here.
 * @param path the claim's name, with dots for nested ones.
 */
export function roleOf(claims: OidcClaims, path: string): Role {
  let value: unknown = claims;
  for (const name of path.split('.')) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
  }
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  return strongest.find((role) => given.includes(role)) ?? 'consumer';
}

async function note(trx: Queryable, now: Date, user: User, action: string, details: Record<string, unknown>) {
  const target = { kind: 'user', id: user.id };
  const entry = { actor: { kind: 'system' as const }, accountId: user.account_id, action, target };
  await appendAudit(trx, now, { ...entry, outcome: 'allowed', details });
}
