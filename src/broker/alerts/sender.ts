// Sends what waits in the outbox, a few at a time, again and again until it arrives or is too old: at least once each.
//
//   waiting ──taken: not due again for a minute──▶ attempt ──2xx──▶ sent
//      ▲                                             │
//      └──────────────not yet too old, later─────────┤
//                                                    └──12 hours old, or no use──▶ given-up
//
// Whoever takes a delivery moves its time forward; a sender that dies meanwhile has it sent again, with the same id.
import { sql } from 'kysely';
import type { Log } from '../../daemon/logger.ts';
import type { Database } from '../storage/database.ts';
import { type Channel, type ChannelOptions, sendThrough } from './channels/channel.ts';
import { DeliveryFailed } from './channels/post.ts';
import type { NoticePayload } from './notice.ts';

/** Attempts at the same time. */
const concurrency = 4;
/** Milliseconds. */
export const sendingLimits = {
  deadline: 10_000,
  firstRetry: 5000,
  longestRetry: 600_000,
  givenUpAfter: 12 * 3_600_000,
};
/** Longer than a deadline, in milliseconds: by then whoever took a delivery has ended, or has died. */
const takenFor = 60_000;

export interface SenderOptions {
  readonly db: Database;
  readonly random: () => number;
  readonly log: Pick<Log, 'warn'>;
  readonly channels: ChannelOptions;
  /** Called after each attempt. */
  readonly onOutcome: (channelType: string, outcome: 'sent' | 'failed' | 'given-up') => void;
}

interface Taken {
  readonly id: string;
  readonly attempts: number;
  readonly created_at: Date;
  readonly channel_id: string;
  readonly channel_type: string;
  readonly payload: NoticePayload;
  readonly channels: readonly Channel[];
}

/** Sends everything that is due, until nothing is or `stopped`. */
export async function sendDue(options: SenderOptions, now: () => Date, stopped: AbortSignal): Promise<void> {
  const worker = async () => {
    while (!stopped.aborted) {
      const at = now();
      const delivery = await take(options.db, at);
      if (!delivery) return;
      await attempt(options, delivery, at);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function take(db: Database, now: Date): Promise<Taken | undefined> {
  const { rows } = await sql<Taken>`
    with next as (
      select id from alert_deliveries where status = 'waiting' and next_attempt_at <= ${now}
      order by next_attempt_at limit 1 for update skip locked
    )
    update alert_deliveries as delivery
    set attempts = attempts + 1, next_attempt_at = ${new Date(now.getTime() + takenFor)}
    from next, alerts, alert_rules
    where delivery.id = next.id and alerts.id = delivery.alert_id and alert_rules.id = alerts.rule_id
    returning delivery.*, alert_rules.channels
  `.execute(db);
  return rows[0];
}

async function attempt(options: SenderOptions, delivery: Taken, now: Date): Promise<void> {
  const { db, channels, onOutcome, log } = options;
  const { id, channel_type: type, channel_id: channelId, payload } = delivery;
  try {
    const channel = delivery.channels.find((one) => one.id === channelId);
    if (!channel) throw new DeliveryFailed('the rule no longer has this channel', true);
    await sendThrough(channel, { deliveryId: id, payload, now }, channels);
  } catch (error) {
    const failed = error instanceof DeliveryFailed ? error : new DeliveryFailed('failed');
    const outcome = await putOff(options, delivery, failed, now);
    onOutcome(type, outcome);
    log.warn(
      { delivery: id, channel: type, attempt: delivery.attempts, reason: failed.message },
      `delivery ${outcome}`,
    );
    return;
  }
  const done = { status: 'sent' as const, sent_at: now, last_error: null };
  await db.updateTable('alert_deliveries').set(done).where('id', '=', id).execute();
  onOutcome(type, 'sent');
}

async function putOff(
  { db, random }: SenderOptions,
  { id, attempts, created_at }: Taken,
  { final, message }: DeliveryFailed,
  now: Date,
): Promise<'failed' | 'given-up'> {
  const { firstRetry, longestRetry, givenUpAfter } = sendingLimits;
  const wait = Math.min(longestRetry, firstRetry * 2 ** Math.min(attempts - 1, 20)) * (0.5 + 0.5 * random());
  const next = new Date(now.getTime() + wait);
  const over = final || next.getTime() > created_at.getTime() + givenUpAfter;
  await db
    .updateTable('alert_deliveries')
    .set({ status: over ? 'given-up' : 'waiting', next_attempt_at: next, last_error: message.slice(0, 500) })
    .where('id', '=', id)
    .execute();
  return over ? 'given-up' : 'failed';
}
