// Providers: registered by whoever will own them, verified and suspended by admins.
import { sql } from 'kysely';
import { Type } from 'typebox';
import type { NewProvider, Provider, ProviderChange, ProviderDetails, ProviderQuery } from '../../api/providers.ts';
import type { JournalEvent } from '../events/journal.ts';
import { visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { transact } from '../storage/transact.ts';
import { countRows, inUse, type RegistryContext, recordChange, takeName } from './change.ts';
import type { NodeStreams } from './node-standing.ts';
import { findProvider, type ProviderRow } from './ownership.ts';

/** Reads the cursor of a list that is ordered by id. */
export const readIdCursor = cursorReader(Type.Tuple([Type.String({ pattern: '^[0-9a-f-]{36}$' })]));

/** What the API shows of a row; what proves who it is stays with its owner. */
export function providerView(row: ProviderRow): Provider {
  return {
    id: row.id,
    account_id: row.account_id,
    name: row.name,
    company: row.company,
    status: row.status,
    status_reason: row.status_reason,
    status_changed_at: row.status_changed_at.toISOString(),
    created_at: row.created_at.toISOString(),
  };
}

function providerEvent(kind: string, at: Date, row: ProviderRow): JournalEvent {
  return { kind, at, providerId: row.id, data: providerView(row) };
}

/**
 * Registers a provider, which waits to be verified.
 * @throws Refusal `GPUB_NAME_TAKEN`
 */
export async function createProvider(
  { db, now }: RegistryContext,
  principal: Principal,
  given: NewProvider,
): Promise<string> {
  const at = now();
  const id = newId(at.getTime());
  await transact(db, async (trx) => {
    const row = await takeName(
      'body.name',
      given.name,
      trx
        .insertInto('providers')
        .values({
          id,
          account_id: principal.accountId,
          name: given.name,
          company: given.company,
          status: 'pending_kyc',
          status_reason: null,
          kyc_data: JSON.stringify(given.kyc_data ?? {}),
          created_at: at,
          status_changed_at: at,
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
    );
    await recordChange(trx, at, principal, {
      action: 'provider.create',
      accountId: row.account_id,
      target: { kind: 'provider', id },
      details: { name: row.name, company: row.company },
      events: [providerEvent('provider.registered', at, row)],
    });
  });
  return id;
}

/** @throws Refusal not-found */
export async function getProvider({ db }: RegistryContext, principal: Principal, id: string): Promise<ProviderDetails> {
  const row = await findProvider(db, principal, id);
  return { ...providerView(row), kyc_data: row.kyc_data };
}

/** Those of the caller's account; all, for an admin. */
export async function listProviders({ db }: RegistryContext, principal: Principal, query: ProviderQuery) {
  const account = visibleAccount(principal);
  const place = readIdCursor(query.cursor);
  const rows = await db
    .selectFrom('providers')
    .selectAll()
    .$if(account !== undefined, (all) => all.where('account_id', '=', account ?? ''))
    .$if(query.status !== undefined, (all) => all.where('status', '=', query.status ?? 'verified'))
    .$if(place !== undefined, (all) => all.where('id', '>', place?.[0] ?? ''))
    .orderBy('id')
    .limit((query.limit ?? 50) + 1)
    .execute();
  return pageOf(rows, query.limit, ({ id }) => [id], providerView);
}

/** @throws Refusal not-found, `GPUB_NAME_TAKEN` */
export async function updateProvider(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  change: ProviderChange,
): Promise<ProviderDetails> {
  return transact(db, async (trx) => {
    await findProvider(trx, principal, id, true);
    const { kyc_data, ...texts } = change;
    const row = await takeName(
      'body.name',
      change.name ?? '',
      trx
        .updateTable('providers')
        .set({ ...texts, ...(kyc_data && { kyc_data: JSON.stringify(kyc_data) }) })
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirstOrThrow(),
    );
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'provider.update',
      accountId: row.account_id,
      target: { kind: 'provider', id },
      details: { ...texts, changed: Object.keys(change) },
      events: [providerEvent('provider.changed', at, row)],
    });
    return { ...providerView(row), kyc_data: row.kyc_data };
  });
}

/** Lets a provider sell. @throws Refusal not-found */
export function verifyProvider(context: RegistryContext, principal: Principal, id: string): Promise<ProviderDetails> {
  return judge(context, principal, id, { status: 'verified', reason: null });
}

/** Stops a provider from selling: its nodes are sent away, and not let in again. @throws Refusal not-found */
export async function suspendProvider(
  context: RegistryContext & { streams: Pick<NodeStreams, 'disconnect'> },
  principal: Principal,
  id: string,
  reason: string,
): Promise<ProviderDetails> {
  const provider = await judge(context, principal, id, { status: 'suspended', reason });
  // After the commit: who comes from now on is refused, who came before is found here.
  const nodes = await context.db
    .selectFrom('nodes')
    .innerJoin('clusters', 'clusters.id', 'nodes.cluster_id')
    .select('nodes.id')
    .where('clusters.provider_id', '=', id)
    .where('nodes.decommissioned_at', 'is', null)
    .orderBy('nodes.id')
    .execute();
  for (const node of nodes) context.streams.disconnect(node.id, 'suspended');
  return provider;
}

/** What it is already, it stays without a record. */
async function judge(
  { db, now }: RegistryContext,
  principal: Principal,
  id: string,
  { status, reason }: { status: 'verified' | 'suspended'; reason: string | null },
): Promise<ProviderDetails> {
  return transact(db, async (trx) => {
    const before = await findProvider(trx, principal, id, true);
    if (before.status === status && before.status_reason === reason) {
      return { ...providerView(before), kyc_data: before.kyc_data };
    }
    const at = now();
    const row = await trx
      .updateTable('providers')
      .set({ status, status_reason: reason, status_changed_at: at })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    await recordChange(trx, at, principal, {
      action: status === 'verified' ? 'provider.verify' : 'provider.suspend',
      accountId: row.account_id,
      target: { kind: 'provider', id },
      details: { before: before.status, ...(reason !== null && { reason }) },
      events: [providerEvent(`provider.${status}`, at, row)],
    });
    return { ...providerView(row), kyc_data: row.kyc_data };
  });
}

/** @throws Refusal not-found; `GPUB_IN_USE` while it has clusters */
export async function deleteProvider({ db, now }: RegistryContext, principal: Principal, id: string): Promise<void> {
  await transact(db, async (trx) => {
    const row = await findProvider(trx, principal, id, true);
    const clusters = await countRows(
      trx,
      sql<{ count: number }>`select count(*) as count from clusters where provider_id = ${id}`,
    );
    if (clusters > 0) throw inUse('provider', `it has ${clusters} ${clusters === 1 ? 'cluster' : 'clusters'}`);
    await trx.deleteFrom('providers').where('id', '=', id).execute();
    const at = now();
    await recordChange(trx, at, principal, {
      action: 'provider.delete',
      accountId: row.account_id,
      target: { kind: 'provider', id },
      details: { name: row.name },
      events: [providerEvent('provider.removed', at, row)],
    });
  });
}
