// Takes a backup of the embedded server at fixed intervals, and says how old the last one is.
//
//   waiting ──last backup is an interval old──▶ taking ──done──▶ waiting
//                                                 └──failed──▶ waiting, longer each time (1 min to 1 h) ──▶ taking
import { setTimeout as sleep } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';
import { formatDuration } from '../../../daemon/duration.ts';
import { messageOf } from '../../../daemon/errors.ts';
import type { Log } from '../../../daemon/logger.ts';

export interface ScheduledBackupsOptions {
  /** Milliseconds from one to the next; 0: none are taken, and only the age of the last is shown. */
  readonly interval: number;
  /** When the newest complete backup ended. */
  readonly last: () => Date | undefined;
  /** Takes one and removes old ones; gives up soon after the signal. */
  readonly take: (signal: AbortSignal) => Promise<void>;
  /** Told whenever it is looked at: what an operator should know, or nothing. */
  readonly onWarning: (warning: string | undefined) => void;
  readonly log: Log;
  readonly now: () => Date;
  /** In [0, 1). */
  readonly random: () => number;
  readonly registry: Registry;
  /** Milliseconds that a broker runs before its first; a minute by default, so that one that dies at once takes none. */
  readonly firstAfter?: number;
}

const minuteMs = 60_000;
const longestRetry = 60 * minuteMs;

/** Starts; `stop` resolves when one in progress has been given up. */
export function startScheduledBackups(options: ScheduledBackupsOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  new Gauge({
    name: 'gpubroker_backup_last_success_timestamp_seconds',
    help: 'When the newest complete backup of the embedded database ended, in seconds since 1970; 0 if there is none.',
    registers: [options.registry],
    collect() {
      this.set((options.last()?.getTime() ?? 0) / 1000);
    },
  });
  const done = options.interval === 0 ? Promise.resolve() : keepTaking(options, stopping.signal);
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

async function keepTaking(options: ScheduledBackupsOptions, signal: AbortSignal): Promise<void> {
  const { now, interval, log, random, firstAfter = minuteMs } = options;
  const started = now().getTime();
  let failure: { reason: string; count: number; next: number } | undefined;
  for (;;) {
    const time = now().getTime();
    // Of a clock that was set back nothing is known.
    const last = Math.min(options.last()?.getTime() ?? Number.NEGATIVE_INFINITY, time);
    options.onWarning(warningOf(last, failure?.reason, time, started, interval));
    const wait = Math.max(last + interval, started + firstAfter, failure?.next ?? 0) - time;
    // In small steps: the machine may have slept, and the age of the last is to be told.
    if (wait > 0) await sleep(Math.min(wait, minuteMs), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    if (wait > minuteMs) continue;
    try {
      await options.take(signal);
      failure = undefined;
    } catch (error) {
      if (signal.aborted) return;
      const count = (failure?.count ?? 0) + 1;
      const pause = Math.min(longestRetry, interval, minuteMs * 2 ** Math.min(count - 1, 10)) * (0.5 + random() / 2);
      failure = { reason: messageOf(error), count, next: now().getTime() + pause };
      log.error({ err: error, retry: formatDuration(Math.round(pause)) }, 'the backup failed: it is tried again');
    }
  }
}

function warningOf(
  last: number,
  reason: string | undefined,
  now: number,
  started: number,
  interval: number,
): string | undefined {
  const why = reason === undefined ? '' : `: ${reason}`;
  if (last > Number.NEGATIVE_INFINITY) {
    if (now - last <= 2 * interval) return undefined;
    return `the last backup is of ${new Date(last).toISOString()}, more than two intervals ago${why}`;
  }
  if (reason === undefined && now - started <= 2 * interval) return undefined;
  return `there is no backup${why}`;
}
