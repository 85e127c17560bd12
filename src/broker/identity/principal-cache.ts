// Who a credential belongs to, remembered for a few seconds, so that not every request asks the database.
//
// A credential that is revoked is forgotten at once: in this process, and through Redis in all. Without Redis, other
// processes notice within the five seconds that an entry lives. What was being loaded while it was revoked is not kept.
import type { SharedRedis } from '../redis.ts';
import type { Principal } from './principal.ts';

/** A principal, and what its credential must show. */
export interface Credential {
  readonly principal: Principal;
  /** Of an API key: SHA-256 of its secret, in hexadecimal. */
  readonly hash?: string | undefined;
  /** When it ends by itself; milliseconds since 1970. */
  readonly expiresAt?: number | undefined;
}

/** Milliseconds. */
const lifetime = 5_000;
/** How long a revocation forbids to remember; longer than any load takes. */
const revocation = 40_000;
const maxEntries = 10_000;
const revoked = 'revoked';

interface Entry {
  readonly credential: Credential;
  readonly until: number;
}

/** The cache; times are of the clock passed in. */
export class PrincipalCache {
  readonly #entries = new Map<string, Entry>();
  readonly #redis: SharedRedis | undefined;
  readonly #now: () => Date;
  /** Counts revocations: a load that began before one is not kept. */
  #revocations = 0;

  constructor({ redis, now }: { redis?: SharedRedis | undefined; now: () => Date }) {
    this.#redis = redis;
    this.#now = now;
  }

  /** The credential with an id, remembered or else loaded. */
  async get(id: string, load: () => Promise<Credential | undefined>): Promise<Credential | undefined> {
    const shared = await this.#redis?.use((client) => client.get(keyOf(id)).then((text) => ({ text })));
    const known = shared ? this.#parsed(shared.text) : this.#local(id);
    if (known && !this.#ended(known)) return known;
    const before = this.#revocations;
    const loaded = await load();
    if (!loaded || this.#ended(loaded)) return undefined;
    if (before === this.#revocations && shared?.text !== revoked) await this.#keep(id, loaded, shared !== undefined);
    return loaded;
  }

  /** Forgets credentials, here and in Redis; call it after the commit that revoked them, and before answering. */
  async revoke(ids: readonly string[]): Promise<void> {
    this.#revocations++;
    for (const id of ids) this.#entries.delete(id);
    await this.#redis?.use(async (client) => {
      await Promise.all(ids.map((id) => client.set(keyOf(id), revoked, 'PX', revocation)));
      return true;
    });
  }

  #ended({ expiresAt }: Credential): boolean {
    return expiresAt !== undefined && expiresAt <= this.#now().getTime();
  }

  #local(id: string): Credential | undefined {
    const entry = this.#entries.get(id);
    const now = this.#now().getTime();
    return entry && entry.until > now && entry.until <= now + lifetime ? entry.credential : undefined;
  }

  #parsed(text: string | null): Credential | undefined {
    return text === null || text === revoked ? undefined : (JSON.parse(text) as Credential);
  }

  async #keep(id: string, credential: Credential, inRedis: boolean): Promise<void> {
    if (inRedis) {
      // NX: a revocation that came meanwhile stays.
      await this.#redis?.use((client) => client.set(keyOf(id), JSON.stringify(credential), 'PX', lifetime, 'NX'));
      return;
    }
    this.#entries.delete(id);
    this.#entries.set(id, { credential, until: this.#now().getTime() + lifetime });
    if (this.#entries.size > maxEntries) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }
}

function keyOf(id: string): string {
  return `gpubroker:principal:${id}`;
}
