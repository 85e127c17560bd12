// From the Authorization header to who makes the request.
import type { Authenticator } from '../api/http/app.ts';
import { Refusal } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { isKey, readKey, sameHash } from './api-keys.ts';
import type { Principal, Scope } from './principal.ts';

interface AuthenticationOptions {
  readonly db: Database;
  readonly now: () => Date;
}

/** The authenticator over the database. */
export function createAuthenticator({ db, now }: AuthenticationOptions): Authenticator {
  return {
    async authenticate(authorization) {
      if (authorization === undefined) return undefined;
      const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
      if (token === undefined || !isKey(token)) throw refused();
      const key = readKey(token);
      const found = key && (await loadKey(db, key.id, now()));
      if (!key || !found || !sameHash(found.hash, key.hash)) throw refused();
      return found.principal;
    },
  };
}

async function loadKey(
  db: Database,
  id: string,
  now: Date,
): Promise<{ hash: Buffer; principal: Principal } | undefined> {
  const row = await db
    .selectFrom('api_keys')
    .innerJoin('users', 'users.id', 'api_keys.user_id')
    .select(['api_keys.id', 'hash', 'scopes', 'users.id as userId', 'account_id', 'email', 'role'])
    .where('api_keys.id', '=', id)
    .where('revoked_at', 'is', null)
    .where('disabled_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .executeTakeFirst();
  if (!row) return undefined;
  const { userId, account_id: accountId, email, role, hash } = row;
  const scopes = row.scopes as Scope[];
  return { hash, principal: { kind: 'api-key', credentialId: row.id, userId, accountId, email, role, scopes } };
}

function refused(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', 'these credentials are not good (any more)');
}
