// The change stream: one tail of the journal a process, fanned out to every client that listens.
//
// A client first reads what it missed from the database, page by page, and goes live at the moment at which it is as far
// as the tail. What it is owed waits in its socket's buffer; when that grows too long, the client goes back to reading
// pages, at its own pace. One whose buffer does not empty in time is cut, and comes back with the last id that it saw.
//
//   catching up ──as far as the tail──▶ live ──buffer full──▶ catching up ──does not drain──▶ cut
import type { ServerResponse } from 'node:http';
import type pg from 'pg';
import type { Change } from '../../api/inventory.ts';
import { providersOf } from '../identity/visible-providers.ts';
import { Refusal } from '../refusal.ts';
import type { Queryable } from '../storage/database.ts';
import { changesAfter, changeView, lastSeq } from './changes.ts';
import { followJournal, type StoredEvent, type Tail, type TailOptions } from './tail.ts';

/** What the stream is made of. */
export interface StreamOptions {
  readonly db: Queryable;
  readonly pool: Pick<pg.Pool, 'options'>;
  readonly log: TailOptions['log'];
  readonly limits?: Partial<StreamLimits>;
}

/** Milliseconds and bytes. */
export interface StreamLimits {
  readonly heartbeat: number;
  /** What may wait for a client before it is sent no more. */
  readonly buffer: number;
  /** After this a client must prove again who it is, by connecting anew. */
  readonly longest: number;
  readonly clients: number;
  /** Of one account, so that none takes the place of all others; admins are not counted. */
  readonly clientsOfAccount: number;
}

const usual: StreamLimits = {
  heartbeat: 15_000,
  buffer: 1024 * 1024,
  longest: 15 * 60_000,
  clients: 500,
  clientsOfAccount: 100,
};
const pageSize = 500;

interface Client {
  /** The last event that it was sent or that is not its business. */
  position: number;
  live: boolean;
  /** Called when it cannot follow the tail any more. */
  fellBehind: () => void;
  /** Whose events it gets; undefined for everybody's. */
  readonly accountId: string | undefined;
  /** The providers of that account. */
  providers: Set<string> | undefined;
  /** The kinds of events that it wants; undefined for all. */
  readonly kinds: readonly string[] | undefined;
  readonly response: ServerResponse;
}

/** The streams of all clients of this process. */
export class ChangeStream {
  readonly #options: StreamOptions;
  readonly #limits: StreamLimits;
  readonly #clients = new Set<Client>();
  #tail: Tail | undefined;
  #starting: Promise<void> | undefined;
  /** How far the tail has read. */
  #position = 0;
  #over = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#limits = { ...usual, ...options.limits };
  }

  get size(): number {
    return this.#clients.size;
  }

  /** @throws Refusal `GPUB_TOO_MANY_STREAMS`; `GPUB_UNAVAILABLE` while the process ends */
  admit(accountId: string | undefined): void {
    if (this.#over) throw new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the broker is stopping', { retryAfter: 1 });
    const { clients, clientsOfAccount } = this.#limits;
    if (this.#clients.size >= clients) throw tooMany(`${clients} streams are open already`);
    if (accountId === undefined) return;
    const own = [...this.#clients].filter((client) => client.accountId === accountId);
    if (own.length >= clientsOfAccount) throw tooMany(`your account has ${clientsOfAccount} streams open already`);
  }

  /**
   * Sends events until the client goes, is too slow, has listened for long enough, or may no more. Resolves then.
   * @param accountId whose events it may see; undefined for all
   * @param after the last event that the client has; undefined to begin with the present
   * @param mayListen whether its credentials are still good; asked with every heartbeat, and never throws
   * @param kinds of which it wants events; undefined for all
   */
  async serve(
    response: ServerResponse,
    accountId: string | undefined,
    after: number | undefined,
    mayListen: () => Promise<boolean>,
    kinds?: readonly string[],
  ): Promise<void> {
    const client: Client = {
      position: 0,
      live: false,
      fellBehind: () => {},
      accountId,
      providers: new Set(),
      kinds,
      response,
    };
    this.#clients.add(client);
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    const beat = setInterval(async () => {
      this.#write(client, ': beat\n\n');
      if (!(await mayListen())) this.#end(response);
    }, this.#limits.heartbeat);
    const longest = setTimeout(() => this.#end(response), this.#limits.longest);
    try {
      this.#write(client, 'retry: 1000\n\n');
      await this.#start();
      client.position = after ?? this.#position;
      // Whoever is cut before the first event comes back to this place.
      this.#write(client, `id: ${client.position}\n\n`);
      while (!response.destroyed && !response.writableEnded) {
        const behind = new Promise<void>((resolve) => {
          client.fellBehind = resolve;
        });
        await this.#catchUp(client);
        await Promise.race([closed, behind]);
      }
      await closed;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a change stream broke');
    } finally {
      clearInterval(beat);
      clearTimeout(longest);
      this.#clients.delete(client);
      response.destroy();
    }
  }

  /** Ends every stream and the tail. */
  async stop(): Promise<void> {
    this.#over = true;
    for (const { response } of this.#clients) this.#end(response);
    await this.#starting?.catch(() => undefined);
    await this.#tail?.stop();
  }

  #start(): Promise<void> {
    this.#starting ??= this.#follow().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #follow(): Promise<void> {
    const { db, pool, log } = this.#options;
    this.#position = await lastSeq(db);
    if (this.#over) return;
    this.#tail = followJournal({ pool, log, after: this.#position, onEvents: (events) => this.#deliver(events) });
  }

  /** Pages from the database, until the client is as far as the tail; from then on it gets what the tail reads. */
  async #catchUp(client: Client): Promise<void> {
    while (!client.response.destroyed && !client.response.writableEnded) {
      const providers = await providersOf(this.#options.db, client.accountId);
      const page = await changesAfter(this.#options.db, providers, client.position, pageSize, client.kinds);
      for (const change of page.items) {
        await this.#room(client);
        this.#write(client, encode(change));
      }
      client.position = page.next;
      client.providers = providers && new Set(providers);
      await this.#room(client);
      if (this.#position > client.position) continue;
      client.live = true;
      return;
    }
  }

  /** Waits until what a client is owed fits its buffer; cuts one that does not take it. */
  async #room({ response }: Client): Promise<void> {
    if (response.writableLength <= this.#limits.buffer || response.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => response.destroy(), 2 * this.#limits.heartbeat);
      const done = () => {
        clearTimeout(timer);
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.once('drain', done);
      response.once('close', done);
    });
  }

  #deliver(events: readonly StoredEvent[]): void {
    const texts = new Map<StoredEvent, string>();
    for (const client of this.#clients) {
      if (!client.live) continue;
      for (const event of events) if (client.live) this.#offer(client, event, texts);
    }
    this.#position = events.at(-1)?.seq ?? this.#position;
  }

  #offer(client: Client, event: StoredEvent, texts: Map<StoredEvent, string>): void {
    if (event.seq <= client.position) return;
    if (client.response.writableLength > this.#limits.buffer) {
      client.live = false;
      client.fellBehind();
      return;
    }
    client.position = event.seq;
    if (!concerns(client, event) || client.kinds?.includes(event.kind) === false) return;
    let text = texts.get(event);
    if (text === undefined) {
      text = encode(changeView(event));
      texts.set(event, text);
    }
    this.#write(client, text);
  }

  /** What is written still goes out; a client that does not take it is not waited for. */
  #end(response: ServerResponse): void {
    if (response.writableEnded) return;
    response.end();
    setTimeout(() => response.destroy(), this.#limits.heartbeat).unref();
  }

  #write({ response }: Client, text: string): void {
    if (!response.destroyed && !response.writableEnded) response.write(text);
  }
}

function tooMany(problem: string): Refusal {
  return new Refusal('too-many', 'GPUB_TOO_MANY_STREAMS', `${problem}, which is the limit`, { retryAfter: 30 });
}

/** Whether the client may see it. A provider that its account just registered is one of its own from then on. */
function concerns({ providers, accountId }: Client, { kind, providerId, data }: StoredEvent): boolean {
  if (!providers) return true;
  if (providerId === null) return false;
  if (kind === 'provider.registered' && data.account_id === accountId) providers.add(providerId);
  return providers.has(providerId);
}

/** One event of the stream, named by its kind, with its seq as the id. */
function encode(change: Change): string {
  return `id: ${change.seq}\nevent: ${change.kind}\ndata: ${JSON.stringify(change)}\n\n`;
}
