// Requests with a key are done once: those on their way are known here, those that were answered stand in the journal.
import type pg from 'pg';
import type { Result } from '../engine/commands.ts';
import type { IdempotencyKey } from './contract.ts';
import type { Entry } from './queue.ts';
import { keyReused } from './refusals.ts';

interface Underway {
  readonly digest: string;
  readonly answer: Promise<Result>;
}

/** The keys of requests whose end is not known yet, also where nobody waits for the answer any more. */
export class KeysUnderway {
  readonly #underway = new Map<string, Underway>();

  /** The answer to the same request, if it is on its way. @throws Refusal GPUB_IDEMPOTENCY_KEY_REUSED */
  find(key: IdempotencyKey): Promise<Result> | undefined {
    const found = this.#underway.get(nameOf(key));
    if (found && found.digest !== key.digest) throw keyReused(key.key);
    return found?.answer;
  }

  add(key: IdempotencyKey, answer: Promise<Result>): void {
    this.#underway.set(nameOf(key), { digest: key.digest, answer });
  }

  /** The journal knows of it, or it was not done. */
  remove(key: IdempotencyKey): void {
    this.#underway.delete(nameOf(key));
  }
}

function nameOf({ accountId, key }: IdempotencyKey): string {
  return `${accountId.toLowerCase()} ${key}`;
}

const find = {
  name: 'market_keys',
  text: `select key_account_id::text as account, idempotency_key as key, encode(digest, 'hex') as digest,
      result::text as result
    from unnest($1::uuid[], $2::text[]) as asked (account, key)
    join market_journal on key_account_id = asked.account and idempotency_key = asked.key`,
};

/** Answers the entries whose key is in the journal, and returns the others. */
export async function answerKnown(client: pg.Client, entries: readonly Entry[]): Promise<Entry[]> {
  const keys = entries.flatMap(({ submission: { key }, keyChecked }) => (key && !keyChecked ? [key] : []));
  if (keys.length === 0) return [...entries];
  const values = [keys.map(({ accountId }) => accountId), keys.map(({ key }) => key)];
  const { rows } = await client.query<{ account: string; key: string; digest: string; result: string }>({
    ...find,
    values,
  });
  const known = new Map(rows.map((row) => [nameOf({ accountId: row.account, key: row.key, digest: '' }), row]));
  return entries.filter((entry) => {
    entry.keyChecked = true;
    const { key } = entry.submission;
    const row = key && known.get(nameOf(key));
    if (!row) return true;
    if (row.digest === key.digest) entry.resolve(JSON.parse(row.result) as Result);
    else entry.reject(keyReused(key.key));
    return false;
  });
}
