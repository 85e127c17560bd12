// From the Authorization header to who makes the request: an API key or a session's token.
import { Refusal } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { isKey, readKey, sameHash } from './api-keys.ts';
import { allScopes } from './policy.ts';
import type { Principal, Scope } from './principal.ts';
import type { Credential, PrincipalCache } from './principal-cache.ts';
import type { Sessions } from './sessions.ts';

/** Finds out who makes a request. */
export interface Authenticator {
  /**
   * @param authorization the header, if there is one.
   * @returns undefined without credentials.
   * @throws Refusal unauthenticated for credentials that are not good.
   */
  authenticate(authorization: string | undefined): Promise<Principal | undefined>;
}

export interface AuthenticationOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly sessions: Sessions;
  readonly cache: PrincipalCache;
}

/** A key's last use is written at most this often; milliseconds. */
const usedAgain = 60_000;
/** No token of ours is longer. */
const maxLength = 4096;

/** The authenticator over the database. */
export function createAuthenticator({ db, now, sessions, cache }: AuthenticationOptions): Authenticator {
  const byKey = async (token: string) => {
    const key = readKey(token);
    const found = key && (await cache.get(key.id, () => loadKey(db, key.id, now())));
    if (!key || !found?.hash || !sameHash(Buffer.from(found.hash, 'hex'), key.hash)) throw refused();
    return found.principal;
  };
  const bySession = async (token: string) => {
    const id = await sessions.read(token);
    const found = await cache.get(id, () => loadSession(db, id, now()));
    if (!found) throw refused();
    return found.principal;
  };
  return {
    async authenticate(authorization) {
      if (authorization === undefined) return undefined;
      if (authorization.length > maxLength) throw refused();
      const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (token === undefined) throw refused();
      return isKey(token) ? byKey(token) : bySession(token);
    },
  };
}

async function loadKey(db: Database, id: string, now: Date): Promise<Credential | undefined> {
  const row = await db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.id', 'api_keys.user_id')
    .select(['api_keys.id', 'hash', 'scopes', 'expires_at', 'last_used_at'])
    .select(['users.id as userId', 'account_id', 'email', 'role'])
    .where('api_keys.id', '=', id)
    .where('revoked_at', 'is', null)
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  if (!row) return undefined;
  const { userId, account_id: accountId, email, role, hash, expires_at, last_used_at } = row;
  if (!last_used_at || now.getTime() - last_used_at.getTime() >= usedAgain) await noteUse(db, id, now);
  const principal = { credentialId: row.id, userId, accountId, email, role, scopes: row.scopes as Scope[] };
  return {
    principal: { kind: 'api-key', ...principal },
    hash: hash.toString('hex'),
    expiresAt: expires_at?.getTime(),
  };
}

/** Several processes may come here at once; one writes. */
async function noteUse(db: Database, id: string, now: Date): Promise<void> {
  await db
    .updateTable('api_keys')
    .set({ last_used_at: now })
    .where('id', '=', id)
    .where((eb) =>
      eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<=', new Date(now.getTime() - usedAgain))]),
    )
    .execute();
}

async function loadSession(db: Database, id: string, now: Date): Promise<Credential | undefined> {
  const row = await db
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['sessions.id', 'expires_at', 'users.id as userId', 'account_id', 'email', 'role'])
    .where('sessions.id', '=', id)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .where('disabled_at', 'is', null)
    .executeTakeFirst();
  if (!row) return undefined;
  const { userId, account_id: accountId, email, role, expires_at } = row;
  const principal = { credentialId: row.id, userId, accountId, email, role, scopes: allScopes };
  return { principal: { kind: 'user', ...principal }, expiresAt: expires_at.getTime() };
}

function refused(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', 'these credentials are not good (any more)');
}
