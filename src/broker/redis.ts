// The way to Redis, which several API processes share. It is never needed: who uses it goes on without, for a while.
import { Redis } from 'ioredis';
import { messageOf } from '../daemon/errors.ts';
import type { Log } from '../daemon/logger.ts';

/** Milliseconds. */
const timeouts = { connect: 2_000, command: 500 };
/** After a command that failed nobody asks for so long, so that a Redis that hangs costs one request, not each. */
const pause = 1_000;
const longestRetry = 5_000;

/** Redis, as long as it is there. */
export interface SharedRedis {
  /** What the work gives, or undefined where Redis is away or failed; then do without. */
  use<T>(work: (client: Redis) => Promise<T>): Promise<T | undefined>;
  /** Whether it answers now. */
  answers(): Promise<boolean>;
  close(): void;
}

/**
 * Opens the connection in the background; `rediss:` is TLS. Commands never wait for a connection: the offline queue
 * holds none, so that nothing piles up while Redis is away.
 */
export function openRedis({ url, log }: { url: string; log: Log }): SharedRedis {
  const client = new Redis(url, {
    connectionName: 'gpubroker',
    connectTimeout: timeouts.connect,
    commandTimeout: timeouts.command,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    // Redis 6 and 7 both speak it, and no command of ours needs more.
    retryStrategy: (times) => Math.min(longestRetry, 100 * 2 ** Math.min(times, 10)) * (0.5 + Math.random() / 2),
  });
  let away = false;
  let resumeAt = 0;
  client.on('ready', () => {
    if (away) log.info('Redis is back');
    away = false;
    resumeAt = 0;
  });
  const missed = (error: unknown) => {
    if (!away) log.warn({ reason: messageOf(error) }, 'Redis is away: limits and cache are kept in this process alone');
    away = true;
  };
  client.on('error', missed);
  return {
    async use(work) {
      if (client.status !== 'ready' || performance.now() < resumeAt) return undefined;
      try {
        return await work(client);
      } catch (error) {
        resumeAt = performance.now() + pause;
        missed(error);
        return undefined;
      }
    },
    async answers() {
      if (client.status !== 'ready') return false;
      return client.ping().then(
        () => {
          away = false;
          return true;
        },
        () => false,
      );
    },
    close: () => client.disconnect(),
  };
}
