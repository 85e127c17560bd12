// The keys that sign session tokens: Ed25519, in the database, shared by all processes, replaced every 90 days. A key
// that was replaced verifies until the last token that it signed has ended.
import { exportJWK, generateKeyPair, importJWK, type CryptoKey as JoseKey } from 'jose';
import { sql } from 'kysely';
import { newId } from '../ids.ts';
import type { Database } from '../storage/database.ts';

export const algorithm = 'EdDSA';
/** Milliseconds. */
const day = 24 * 60 * 60 * 1000;
const rotateAfter = 90 * day;
/** Tokens last half a day; a key verifies twice as long after it was replaced. */
const verifyAfterRetirement = day;
/** What other processes changed is seen within. */
const reloadAfter = 60_000;
/** A token with an unknown key makes us look at most this often. */
const unknownAfter = 1_000;
/** Orders who makes a key: "sign" in ASCII. */
const rotationLock = 0x7369676e;

interface SigningKey {
  readonly id: string;
  readonly createdAt: Date;
  readonly retiredAt: Date | null;
  readonly key: JoseKey;
  readonly publicKey: JoseKey;
}

/** The keys as of a moment ago. */
export class SigningKeys {
  readonly #db: Database;
  readonly #now: () => Date;
  #keys: SigningKey[] = [];
  #loadedAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database, now: () => Date) {
    this.#db = db;
    this.#now = now;
  }

  /** The key to sign with; made if there is none, or none young enough. */
  async current(): Promise<SigningKey> {
    if (this.#now().getTime() - this.#loadedAt > reloadAfter) await this.#load();
    const found = this.#youngest();
    if (found) return found;
    await this.#rotate();
    const made = this.#youngest();
    if (!made) throw new Error('a signing key was made and is not there');
    return made;
  }

  /** The key with an id, if tokens of it are still good. */
  async find(id: string): Promise<SigningKey | undefined> {
    const now = this.#now().getTime();
    if (now - this.#loadedAt > reloadAfter) await this.#load();
    const known = () => this.#keys.find((key) => key.id === id);
    if (!known() && now - this.#loadedAt > unknownAfter) await this.#load();
    const key = known();
    return key && (!key.retiredAt || now - key.retiredAt.getTime() < verifyAfterRetirement) ? key : undefined;
  }

  #youngest(): SigningKey | undefined {
    const now = this.#now().getTime();
    return this.#keys.findLast((key) => !key.retiredAt && now - key.createdAt.getTime() < rotateAfter);
  }

  async #rotate(): Promise<void> {
    const now = this.#now();
    await this.#db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${rotationLock})`.execute(trx);
      const young = await trx
        .selectFrom('signing_keys')
        .select('id')
        .where('retired_at', 'is', null)
        .where('created_at', '>', new Date(now.getTime() - rotateAfter))
        .executeTakeFirst();
      if (young) return;
      const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
      const jwk = JSON.stringify(await exportJWK(privateKey));
      await trx.updateTable('signing_keys').set({ retired_at: now }).where('retired_at', 'is', null).execute();
      const gone = new Date(now.getTime() - verifyAfterRetirement);
      await trx.deleteFrom('signing_keys').where('retired_at', '<', gone).execute();
      const id = newId(now.getTime());
      await trx
        .insertInto('signing_keys')
        .values({ id, private_jwk: jwk, created_at: now, retired_at: null })
        .execute();
    });
    await this.#load();
  }

  async #load(): Promise<void> {
    const rows = await this.#db.selectFrom('signing_keys').selectAll().orderBy('created_at').execute();
    this.#keys = await Promise.all(
      rows.map(async ({ id, private_jwk, created_at, retired_at }) => {
        const key = (await importJWK({ ...private_jwk, alg: algorithm }, algorithm)) as JoseKey;
        const { d: _private, ...jwk } = private_jwk;
        const publicKey = (await importJWK({ ...jwk, alg: algorithm }, algorithm)) as JoseKey;
        return { id, createdAt: created_at, retiredAt: retired_at, key, publicKey };
      }),
    );
    this.#loadedAt = this.#now().getTime();
  }
}
