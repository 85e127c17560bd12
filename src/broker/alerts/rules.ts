// Alert rules as people set them: made, listed, changed, deleted, and tried out.
import type { Selectable } from 'kysely';
import { Type } from 'typebox';
import {
  type AlertRule,
  type AlertRuleTest,
  alertLimits,
  type Condition,
  type CreateAlertRule,
  type UpdateAlertRule,
} from '../../api/alerts.ts';
import type { PageQuery } from '../../api/lists.ts';
import { messageOf } from '../../daemon/errors.ts';
import { actorOf, appendAudit } from '../identity/audit.ts';
import { requireOwner, visibleAccount } from '../identity/policy.ts';
import type { Principal } from '../identity/principal.ts';
import { newId } from '../ids.ts';
import { cursorReader, pageOf } from '../paging.ts';
import { invalid, notFound, Refusal } from '../refusal.ts';
import type { Database, Queryable } from '../storage/database.ts';
import type { Schema } from '../storage/schema.ts';
import { type ChannelOptions, channelsOf, channelView, sendThrough } from './channels/channel.ts';
import { type Grouping, isCount } from './findings.ts';
import { testPayload } from './notice.ts';
import { ruleOf } from './store.ts';

type Row = Selectable<Schema['alert_rules']>;

function show(row: Row): AlertRule {
  const { channels, condition } = ruleOf(row);
  return {
    id: row.id,
    account_id: row.account_id,
    name: row.name,
    condition,
    channels: channels.map(channelView),
    group_by: row.group_by,
    group_wait_s: row.group_wait_s,
    repeat_interval_s: row.repeat_interval_s,
    max_notices_per_hour: row.max_notices_per_hour,
    enabled: row.enabled,
    muted_until: row.muted_until?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}

/** Makes a rule. @throws Refusal for what does not fit together, and over the limit of rules. */
export async function createRule(
  db: Database,
  now: Date,
  principal: Principal,
  body: CreateAlertRule,
  channels: ChannelOptions,
): Promise<AlertRule> {
  if (body.scope === 'everybody' && visibleAccount(principal) !== undefined) {
    throw new Refusal('forbidden', 'GPUB_FORBIDDEN', 'a rule about everybody’s incidents is for admins', {
      field: 'body.scope',
      value: body.scope,
      allowed: 'account',
    });
  }
  const accountId = body.scope === 'everybody' ? null : principal.accountId;
  const groupBy = body.group_by ?? 'rule';
  checkGrouping(body.condition, groupBy);
  const row: Row = {
    id: newId(now.getTime()),
    account_id: accountId,
    name: body.name,
    condition: body.condition,
    channels: channelsOf(body.channels, [], channels),
    group_by: groupBy,
    group_wait_s: body.group_wait_s ?? 10,
    repeat_interval_s: body.repeat_interval_s ?? 3600,
    max_notices_per_hour: body.max_notices_per_hour ?? 20,
    enabled: body.enabled ?? true,
    muted_until: body.muted_until ? new Date(body.muted_until) : null,
    created_at: now,
  };
  await db.transaction().execute(async (trx) => {
    await requireRoom(trx, principal, accountId);
    await trx
      .insertInto('alert_rules')
      .values({ ...row, condition: JSON.stringify(row.condition), channels: JSON.stringify(row.channels) })
      .execute();
    await audit(trx, now, principal, row, 'create');
  });
  return show(row);
}

/** Two who make the last rule at once: the account's row is locked, so that one of them waits. */
async function requireRoom(trx: Queryable, principal: Principal, accountId: string | null): Promise<void> {
  await trx.selectFrom('accounts').select('id').where('id', '=', principal.accountId).forUpdate().execute();
  const { count } = await trx
    .selectFrom('alert_rules')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('account_id', accountId === null ? 'is' : '=', accountId)
    .executeTakeFirstOrThrow();
  if (count < alertLimits.rulesPerAccount) return;
  const message = `an account has at most ${alertLimits.rulesPerAccount} alert rules: delete one first`;
  throw new Refusal('conflict', 'GPUB_TOO_MANY_RULES', message);
}

/** A count is of clusters: smaller groups have none. */
function checkGrouping(condition: Condition, groupBy: Grouping): void {
  const small = groupBy === 'node' || groupBy === 'gpu';
  if (condition.type === 'threshold' && isCount(condition.metric) && small) {
    throw invalid('body.group_by', groupBy, `rule, provider or cluster for ${condition.metric}`);
  }
}

async function owned(db: Queryable, principal: Principal, id: string): Promise<Row> {
  const row = await db.selectFrom('alert_rules').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound('alert rule', id);
  if (visibleAccount(principal) !== undefined) requireOwner(principal, row.account_id, 'alert rule', id);
  return row;
}

/** @throws Refusal not-found. */
export async function readRule(db: Queryable, principal: Principal, id: string): Promise<AlertRule> {
  return show(await owned(db, principal, id));
}

const readCursor = cursorReader(Type.Object({ id: Type.String({ format: 'uuid' }) }));

/** Newest first. */
export async function listRules(db: Queryable, principal: Principal, { limit = 50, cursor }: PageQuery) {
  const place = readCursor(cursor);
  const account = visibleAccount(principal);
  const rows = await db
    .selectFrom('alert_rules')
    .selectAll()
    .$if(account !== undefined, (q) => q.where('account_id', '=', account ?? ''))
    .$if(place !== undefined, (q) => q.where('id', '<', place?.id ?? ''))
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  return pageOf(rows, limit, ({ id }) => ({ id }), show);
}

/** Changes what is given. A channel that is given with its id and without a secret keeps its secret. */
export async function updateRule(
  db: Database,
  now: Date,
  principal: Principal,
  id: string,
  body: UpdateAlertRule,
  channels: ChannelOptions,
): Promise<AlertRule> {
  return db.transaction().execute(async (trx) => {
    const before = await owned(trx, principal, id);
    const { condition = before.condition as Condition, group_by = before.group_by, muted_until, ...rest } = body;
    checkGrouping(condition, group_by);
    const stored = body.channels
      ? channelsOf(body.channels, ruleOf(before).channels, channels)
      : ruleOf(before).channels;
    const row = await trx
      .updateTable('alert_rules')
      .set({
        ...rest,
        condition: JSON.stringify(condition),
        group_by,
        channels: JSON.stringify(stored),
        ...(muted_until === undefined ? {} : { muted_until: muted_until === null ? null : new Date(muted_until) }),
      })
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    if (!row) throw notFound('alert rule', id);
    await audit(trx, now, principal, row, 'update', { changed: Object.keys(body) });
    return show(row);
  });
}

/** Deletes it with its alerts. */
export async function deleteRule(db: Database, now: Date, principal: Principal, id: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const row = await owned(trx, principal, id);
    await trx.deleteFrom('alert_rules').where('id', '=', id).execute();
    await audit(trx, now, principal, row, 'delete');
  });
}

/** Sends a test notice through every channel, at once, and says of each whether it arrived. */
export async function testRule(
  db: Database,
  now: Date,
  principal: Principal,
  id: string,
  options: ChannelOptions,
): Promise<AlertRuleTest> {
  const row = await owned(db, principal, id);
  await db.transaction().execute((trx) => audit(trx, now, principal, row, 'test'));
  const payload = testPayload(newId(now.getTime()), newId(now.getTime()), row, now);
  const outcomes = ruleOf(row).channels.map(async (channel) => {
    const { id: channel_id, type } = channel;
    const error = await sendThrough(channel, { deliveryId: newId(now.getTime()), payload, now }, options).then(
      () => null,
      messageOf,
    );
    return { channel_id, type, outcome: error === null ? ('sent' as const) : ('failed' as const), error };
  });
  return { outcomes: await Promise.all(outcomes) };
}

function audit(
  trx: Queryable,
  now: Date,
  principal: Principal,
  row: Row,
  what: string,
  details: Record<string, unknown> = {},
): Promise<void> {
  return appendAudit(trx, now, {
    actor: actorOf(principal),
    accountId: row.account_id ?? undefined,
    action: `alert-rule.${what}`,
    target: { kind: 'alert-rule', id: row.id },
    outcome: 'allowed',
    details: { name: row.name, ...details },
  });
}
