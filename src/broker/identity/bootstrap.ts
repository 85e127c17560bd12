// The first admin of a new broker: an account, a user without a password, and an API key in a file of the data folder.
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { newId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { makeKey } from './api-keys.ts';
import { appendAudit } from './audit.ts';

/** The file with the key. */
export const adminKeyFile = 'admin-api-key';

/** Orders processes that start at once: "boot" in ASCII. */
const bootstrapLock = 0x626f6f74;
const platform = { account: 'platform', email: 'admin@platform.invalid', name: 'First admin' };

/**
 * Makes the first admin if no admin holds a key that is good; where one does, nothing is written, also if the file is
 * gone: `gpubroker tokens` makes further keys.
 * @returns the file's path if it was written.
 */
export async function bootstrapAdmin(db: Database, now: Date, dataFolder: string): Promise<string | undefined> {
  const path = join(dataFolder, adminKeyFile);
  return db.transaction().execute(async (trx) => {
    await sql`select pg_advisory_xact_lock(${bootstrapLock})`.execute(trx);
    const held = await trx
      .selectFrom('api_keys')
      .innerJoin('users', 'users.id', 'api_keys.user_id')
      .select('api_keys.id')
      .where('role', '=', 'admin')
      .where('disabled_at', 'is', null)
      .where('revoked_at', 'is', null)
      .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
      .limit(1)
      .executeTakeFirst();
    if (held) return undefined;
    const known = await trx.selectFrom('users').selectAll().where('email', '=', platform.email).executeTakeFirst();
    const userId = known?.id ?? newId(now.getTime());
    const accountId = known?.account_id ?? newId(now.getTime());
    if (known) {
      await trx.updateTable('users').set({ role: 'admin', disabled_at: null }).where('id', '=', userId).execute();
    } else {
      await trx.insertInto('accounts').values({ id: accountId, name: platform.account, created_at: now }).execute();
      const { email, name } = platform;
      const fields = { id: userId, account_id: accountId, email, name, role: 'admin' as const, created_at: now };
      const none = { password_hash: null, oidc_issuer: null, oidc_subject: null, disabled_at: null };
      await trx
        .insertInto('users')
        .values({ ...fields, ...none })
        .execute();
    }
    const id = newId(now.getTime());
    const { text, hash } = makeKey(id);
    const fields = { id, user_id: userId, name: adminKeyFile, hash, scopes: ['admin'], created_at: now };
    await trx
      .insertInto('api_keys')
      .values({ ...fields, expires_at: null, revoked_at: null, last_used_at: null })
      .execute();
    const target = { kind: 'api-key', id };
    await appendAudit(trx, now, {
      actor: { kind: 'system' },
      accountId,
      action: 'api-key.create',
      target,
      outcome: 'allowed',
    });
    // Before the commit: a key that is stored and in no file would lock everybody out; the other way round the next
    // start writes another.
    await writeSecret(path, `${text}\n`);
    return path;
  });
}

/** Whole or not at all, and never readable by others. */
async function writeSecret(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
