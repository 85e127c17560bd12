// How often somebody may ask: so many requests a minute for a key, a user or, without credentials, an address. Counted
// in Redis where there is one, so that several processes share the count; else, or while it is away, in this process.
import rateLimit, { normalizeIP } from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import type { SharedRedis } from '../../redis.ts';
import { Refusal } from '../../refusal.ts';
import type { ApiServer } from './app.ts';

/** Requests a minute. */
export interface RateLimits {
  /** For an API key, or a user with a session. */
  readonly caller: number;
  /** For an address without good credentials. */
  readonly address: number;
  /** For signing in, by an address. */
  readonly signIn: number;
  /** For signing in, with an e-mail address. */
  readonly email: number;
}

export const defaultRateLimits: RateLimits = { caller: 6_000, address: 300, signIn: 20, email: 10 };

/** Milliseconds. */
const period = 60_000;
/** Who asked longest ago is forgotten beyond these: a few megabytes. */
const maxKeys = 50_000;

/** Checks of the limits. */
export interface RateLimiter {
  /** @throws Refusal too-many */
  check(request: FastifyRequest): Promise<void>;
  /** Counts an attempt to sign in with an e-mail address. @throws Refusal too-many */
  checkEmail(request: FastifyRequest, email: string): Promise<void>;
}

interface LimiterOptions {
  readonly limits: RateLimits;
  readonly redis: SharedRedis | undefined;
}

/** Adds the limiter to a server. */
export async function addRateLimits(app: ApiServer, { limits, redis }: LimiterOptions): Promise<RateLimiter> {
  const windows = new LocalWindows(maxKeys);
  class Store {
    incr(key: string, done: (error: Error | null, result?: Count) => void, timeWindow: number): void {
      count(redis, windows, key, timeWindow).then(
        (result) => done(null, result),
        (error: Error) => done(error),
      );
    }
    // Keys say which limit they belong to, so all limits share one store.
    child(): Store {
      return this;
    }
  }
  // Its interface for stores is wider than what it calls.
  await app.register(rateLimit, { global: false, store: Store as never, skipOnError: true, timeWindow: period });
  const limiter = (max: number, keyGenerator: (request: FastifyRequest) => string) => {
    const check = app.createRateLimit({ max, timeWindow: period, keyGenerator });
    return async (request: FastifyRequest) => {
      const result = await check(request);
      if (!result.isAllowed && result.isExceeded) throw tooMany(max, result.ttlInSeconds);
    };
  };
  const address = (request: FastifyRequest) => normalizeIP(request.ip);
  const byCaller = limiter(limits.caller, (request) => `caller:${request.caller?.credentialId}`);
  const byAddress = limiter(limits.address, (request) => `address:${address(request)}`);
  const bySignIn = limiter(limits.signIn, (request) => `sign-in:${address(request)}`);
  const emails = new WeakMap<FastifyRequest, string>();
  const byEmail = limiter(limits.email, (request) => `email:${emails.get(request)}`);
  return {
    async check(request) {
      const { limit } = request.routeOptions.config;
      if (limit === 'none') return;
      if (limit === 'sign-in') await bySignIn(request);
      else await (request.caller ? byCaller(request) : byAddress(request));
    },
    async checkEmail(request, email) {
      emails.set(request, email);
      await byEmail(request);
    },
  };
}

interface Count {
  readonly current: number;
  /** Milliseconds until the count begins anew. */
  readonly ttl: number;
}

/** Counts one, and gives the count's end with the first. */
const script = `local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {n, redis.call('PTTL', KEYS[1])}`;

async function count(
  redis: SharedRedis | undefined,
  windows: LocalWindows,
  key: string,
  length: number,
): Promise<Count> {
  const shared = await redis?.use((client) => client.eval(script, 1, `gpubroker:limit:${key}`, length));
  if (Array.isArray(shared)) return { current: Number(shared[0]), ttl: Number(shared[1]) };
  return windows.count(key, length, performance.now());
}

/** Counts per key in windows of fixed length; bounded. */
export class LocalWindows {
  readonly #windows = new Map<string, { current: number; end: number }>();
  readonly #maxKeys: number;

  constructor(maxKeys: number) {
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#windows.size;
  }

  /** Counts one for a key; times in milliseconds of one clock. */
  count(key: string, length: number, now: number): Count {
    const known = this.#windows.get(key);
    const window = known && known.end > now ? known : { current: 0, end: now + length };
    window.current++;
    // Put at the end: what stands at the front was asked for longest ago.
    this.#windows.delete(key);
    this.#windows.set(key, window);
    if (this.#windows.size > this.#maxKeys) {
      const [oldest] = this.#windows.keys();
      if (oldest !== undefined) this.#windows.delete(oldest);
    }
    return { current: window.current, ttl: Math.max(0, window.end - now) };
  }
}

function tooMany(max: number, seconds: number): Refusal {
  const text = `more than ${max} requests a minute; try again in ${seconds} s`;
  return new Refusal('too-many', 'GPUB_RATE_LIMITED', text, { retryAfter: Math.max(1, seconds) });
}
