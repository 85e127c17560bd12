// Accounts: what users and things belong to. Only who runs the platform makes and changes them.
import type { AccountView } from '../../api/identity.ts';
import type { PageQuery } from '../../api/lists.ts';
import { isId, newId } from '../ids.ts';
import { decodeCursor, pageOf } from '../paging.ts';
import { invalid, notFound } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { actorOf, appendAudit } from './audit.ts';
import type { Principal } from './principal.ts';
import { accountView } from './views.ts';

/** Makes an account. */
export async function createAccount(db: Database, now: Date, by: Principal, name: string): Promise<AccountView> {
  return db.transaction().execute(async (trx) => {
    const row = { id: newId(now.getTime()), name, created_at: now };
    await trx.insertInto('accounts').values(row).execute();
    const target = { kind: 'account', id: row.id };
    const entry = { actor: actorOf(by), accountId: row.id, action: 'account.create', target, details: { name } };
    await appendAudit(trx, now, { ...entry, outcome: 'allowed' });
    return accountView(row);
  });
}

/** All accounts, oldest first. */
export async function listAccounts(db: Database, { limit = 50, cursor }: PageQuery) {
  let query = db
    .selectFrom('accounts')
    .selectAll()
    .orderBy('id')
    .limit(limit + 1);
  if (cursor !== undefined) query = query.where('id', '>', idOf(cursor));
  return pageOf(await query.execute(), limit, ({ id }) => id, accountView);
}

/** One account. @throws Refusal not-found */
export async function readAccount(db: Database, id: string): Promise<AccountView> {
  const row = await db.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('account', id);
  return accountView(row);
}

/** Names an account anew. @throws Refusal not-found */
export async function renameAccount(db: Database, now: Date, by: Principal, id: string, name: string) {
  return db.transaction().execute(async (trx) => {
    const row = await trx.updateTable('accounts').set({ name }).where('id', '=', id).returningAll().executeTakeFirst();
    if (!row) throw notFound('account', id);
    const target = { kind: 'account', id };
    const entry = { actor: actorOf(by), accountId: id, action: 'account.update', target, details: { name } };
    await appendAudit(trx, now, { ...entry, outcome: 'allowed' });
    return accountView(row);
  });
}

/** The id that the cursor of a list ordered by id holds. @throws Refusal query.cursor */
export function idOf(cursor: string): string {
  const id = decodeCursor(cursor);
  if (typeof id !== 'string' || !isId(id)) throw invalid('query.cursor', cursor, 'the next_cursor of the page before');
  return id;
}
