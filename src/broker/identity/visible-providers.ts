// Whose things an account sees: those of its own providers.
import type { Queryable } from '../storage/database.ts';

/** The providers of an account; undefined for all. */
export async function providersOf(db: Queryable, accountId: string | undefined): Promise<string[] | undefined> {
  if (accountId === undefined) return undefined;
  const rows = await db.selectFrom('providers').select('id').where('account_id', '=', accountId).execute();
  return rows.map(({ id }) => id);
}
