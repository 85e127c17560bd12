// Sessions: a signed token for twelve hours, and a row that can be revoked. The token says who signed in; whether it is
// still good is asked of the row.
import { errors, jwtVerify, SignJWT } from 'jose';
import { newId } from '../ids.ts';
import { Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';
import { algorithm, SigningKeys } from './signing-keys.ts';

const issuer = 'gpubroker';
/** What a token is for: a session, or one way through a sign-in at an OIDC issuer. */
type Purpose = 'gpubroker-api' | 'gpubroker-sign-in';
/** Milliseconds. */
const sessionLength = 12 * 60 * 60 * 1000;

/** A session that began; the token is told once. */
export interface NewSession {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: Date;
}

/** Starts, reads and ends sessions. */
export class Sessions {
  readonly #keys: SigningKeys;
  readonly #now: () => Date;

  constructor(db: Database, now: () => Date) {
    this.#keys = new SigningKeys(db, now);
    this.#now = now;
  }

  /** Begins a session of a user. */
  async start(trx: Queryable, userId: string): Promise<NewSession> {
    const now = this.#now();
    const id = newId(now.getTime());
    const expiresAt = new Date(now.getTime() + sessionLength);
    const token = await this.sign('gpubroker-api', { sid: id, sub: userId }, expiresAt);
    const row = { id, user_id: userId, created_at: now, expires_at: expiresAt, revoked_at: null };
    await trx.insertInto('sessions').values(row).execute();
    return { id, token, expiresAt };
  }

  /** The id of the session that a token is for. @throws Refusal unauthenticated */
  async read(token: string): Promise<string> {
    const { sid } = await this.verify('gpubroker-api', token);
    if (typeof sid !== 'string') throw refused();
    return sid;
  }

  /** Signs claims for a purpose. */
  async sign(purpose: Purpose, claims: Record<string, unknown>, expiresAt: Date): Promise<string> {
    const { id, key } = await this.#keys.current();
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid: id, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(purpose)
      .setIssuedAt(Math.floor(this.#now().getTime() / 1000))
      .setExpirationTime(Math.floor(expiresAt.getTime() / 1000))
      .sign(key);
  }

  /** The claims of a token that we signed for a purpose, and that has not ended. @throws Refusal unauthenticated */
  async verify(purpose: Purpose, token: string): Promise<Record<string, unknown>> {
    try {
      const { payload } = await jwtVerify(
        token,
        async ({ kid }) => {
          const found = typeof kid === 'string' ? await this.#keys.find(kid) : undefined;
          if (!found) throw refused();
          return found.publicKey;
        },
        {
          algorithms: [algorithm],
          issuer,
          audience: purpose,
          currentDate: this.#now(),
          requiredClaims: ['exp', 'iat'],
        },
      );
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw refused();
      throw error;
    }
  }
}

/** Ends sessions: one, or those of a user but one. Answers with the ids that were ended. */
export async function endSessions(
  trx: Queryable,
  now: Date,
  which: { readonly id: string } | { readonly userId: string; readonly except?: string | undefined },
): Promise<string[]> {
  let query = trx.updateTable('sessions').set({ revoked_at: now }).where('revoked_at', 'is', null);
  if ('id' in which) query = query.where('id', '=', which.id);
  else {
    query = query.where('user_id', '=', which.userId);
    if (which.except !== undefined) query = query.where('id', '<>', which.except);
  }
  const rows = await query.returning('id').execute();
  return rows.map(({ id }) => id);
}

/** Forgets sessions that ended over a week ago, and codes that nobody fetched. */
export async function removeOldSessions(db: Database, now: Date): Promise<void> {
  const weekAgo = new Date(now.getTime() - 7 * 24 * 60 * 60 * 1000);
  await db.deleteFrom('sessions').where('expires_at', '<', weekAgo).execute();
  await db.deleteFrom('sign_in_codes').where('expires_at', '<', now).execute();
}

function refused(): Refusal {
  return new Refusal('unauthenticated', 'GPUB_UNAUTHENTICATED', 'the session is not good (any more): sign in again');
}
