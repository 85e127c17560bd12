// The parts of identity, put together for who serves an API.
import type { SharedRedis } from '../redis.ts';
import type { Database } from '../storage/database.ts';
import { type Authenticator, createAuthenticator } from './authentication.ts';
import { type PasswordCost, Passwords } from './passwords.ts';
import { PrincipalCache } from './principal-cache.ts';
import { Sessions } from './sessions.ts';

export interface Identity {
  readonly passwords: Passwords;
  readonly sessions: Sessions;
  readonly cache: PrincipalCache;
  readonly authenticator: Authenticator;
}

interface IdentityOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly redis?: SharedRedis | undefined;
  /** Less for tests. */
  readonly passwordCost?: PasswordCost;
}

/** Puts them together. */
export function createIdentity({ db, now, redis, passwordCost }: IdentityOptions): Identity {
  const passwords = new Passwords(passwordCost);
  const sessions = new Sessions(db, now);
  const cache = new PrincipalCache({ redis, now });
  return { passwords, sessions, cache, authenticator: createAuthenticator({ db, now, sessions, cache }) };
}
