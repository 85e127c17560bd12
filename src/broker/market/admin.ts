// What an admin does to the market, and how it stands. Each act goes into the audit log, also one that failed: the
// market's journal has it too, but is not what auditors read.
import type { Killed, KillSwitch, MarketStatus, Matched } from '../../api/market.ts';
import type { IdempotencyKey } from '../commit/contract.ts';
import type { Command, Result } from '../engine/commands.ts';
import { type AuditEntry, actorOf, appendAudit } from '../identity/audit.ts';
import type { Action } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { notFound, Refusal } from '../refusal.ts';
import type { MarketContext } from './orders.ts';

/** How an act stands in the audit log. */
export interface Act {
  readonly action: Action;
  readonly command: Command;
  /** Whose matter it is; the admin's own without it. */
  readonly accountId?: string | undefined;
  readonly target?: AuditEntry['target'];
  readonly details: Record<string, unknown>;
}

/** Submits a command of an admin, and writes down that it was given. @throws Refusal of the engine or the pipeline */
export async function actAsAdmin(
  { pipeline, db, now }: Pick<MarketContext, 'pipeline' | 'db' | 'now'>,
  principal: Principal,
  { action, command, accountId = principal.accountId, target, details }: Act,
  key?: IdempotencyKey,
): Promise<Result> {
  const audit = (outcome: AuditEntry['outcome'], more: Record<string, unknown>) =>
    appendAudit(db, now(), {
      actor: actorOf(principal),
      accountId,
      action,
      target,
      outcome,
      details: { ...details, ...more },
    });
  try {
    const actor = { accountId: principal.accountId, userId: principal.userId };
    const result = await pipeline.submit({ command, actor, key });
    await audit('allowed', {});
    return result;
  } catch (error) {
    if (error instanceof Refusal) await audit('failed', { code: error.code });
    throw error;
  }
}

/** @param gpuType undefined: all products. @throws Refusal `GPUB_UNKNOWN_PRODUCT`; as {@link actAsAdmin} */
export async function haltMarket(
  context: MarketContext,
  principal: Principal,
  gpuType: string | undefined,
  reason: string,
  key?: IdempotencyKey,
): Promise<void> {
  const product = await productOrAll(context, gpuType);
  const command = { kind: 'halt', product, reason } as const;
  await actAsAdmin(context, principal, { action: 'market.operate', command, details: { ...command } }, key);
}

/** @param gpuType undefined: all products. @throws Refusal as {@link haltMarket} */
export async function resumeMarket(
  context: MarketContext,
  principal: Principal,
  gpuType: string | undefined,
  key?: IdempotencyKey,
): Promise<void> {
  const product = await productOrAll(context, gpuType);
  const command = { kind: 'resume', product } as const;
  await actAsAdmin(context, principal, { action: 'market.operate', command, details: { ...command } }, key);
}

/** Offers every resting order again. @throws Refusal as {@link haltMarket} */
export async function matchOrders(
  context: MarketContext,
  principal: Principal,
  gpuType: string | undefined,
  key?: IdempotencyKey,
): Promise<Matched> {
  const product = await productOrAll(context, gpuType);
  const command = { kind: 'match', product } as const;
  const { trades = [] } = await actAsAdmin(
    context,
    principal,
    { action: 'order.match', command, details: { ...command } },
    key,
  );
  return { success: true, trades: trades.length };
}

async function productOrAll({ names }: MarketContext, gpuType: string | undefined): Promise<string | null> {
  return gpuType === undefined ? null : names.resolve(gpuType, 'body.gpu_type');
}

/** Cancels the orders of an account, or of everybody, and takes no more of them. @throws Refusal as {@link actAsAdmin} */
export async function killOrders(
  context: MarketContext,
  principal: Principal,
  { account_id, reason }: KillSwitch,
  key?: IdempotencyKey,
): Promise<Killed> {
  const accountId = account_id?.toLowerCase() ?? null;
  if (accountId !== null) await requireAccount(context, accountId);
  const command = { kind: 'kill', accountId, reason } as const;
  const { cancelled = 0 } = await actAsAdmin(context, principal, killAct(accountId, command), key);
  return { success: true, cancelled };
}

async function requireAccount({ db }: MarketContext, id: string): Promise<void> {
  const account = await db.selectFrom('accounts').select('id').where('id', '=', id).executeTakeFirst();
  if (!account) throw notFound('account', id);
}

/** Takes orders again. @throws Refusal as {@link actAsAdmin} */
export async function releaseKillSwitch(
  context: MarketContext,
  principal: Principal,
  account: string | undefined,
  key?: IdempotencyKey,
): Promise<void> {
  const accountId = account?.toLowerCase() ?? null;
  await actAsAdmin(context, principal, killAct(accountId, { kind: 'revive', accountId }), key);
}

function killAct(accountId: string | null, command: Command): Act {
  return {
    action: 'market.operate',
    command,
    ...(accountId !== null && { accountId, target: { kind: 'account', id: accountId } }),
    details: { ...command },
  };
}

/** Everybody, where an account is asked for. */
const everybody = '00000000-0000-0000-0000-000000000000';

/** How the market stands. @throws Refusal of the pipeline */
export async function marketStatus({ db, pipeline }: MarketContext): Promise<MarketStatus> {
  const status = await pipeline.read((engine, seq) => ({
    seq,
    open_bids: engine.openOrders('bid'),
    open_asks: engine.openOrders('ask'),
    halted: engine
      .products()
      .flatMap(({ product, haltReason }) => (haltReason === null ? [] : [{ gpu_type: product, reason: haltReason }])),
  }));
  const killed = await db.selectFrom('killed_accounts').selectAll().orderBy('account_id').execute();
  const kill_switches = killed.map(({ account_id, reason }) => ({
    account_id: account_id === everybody ? null : account_id,
    reason,
  }));
  return { ...status, kill_switches };
}
