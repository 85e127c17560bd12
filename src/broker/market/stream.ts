// The live market: for every product that somebody follows, each trade at once, and the depth when it has changed.
//
// Books are compared five times a second, all in one look at the engine, and each text is made once for all who get it.
// A client that comes back with the number of the last trade it saw first gets those that it missed, from the tape;
// meanwhile the new ones wait. Whoever does not take what it is sent in time is cut.
import type { ServerResponse } from 'node:http';
import type { Committed, Pipeline } from '../commit/contract.ts';
import { Refusal } from '../refusal.ts';
import type { Database } from '../storage/database.ts';
import { type BookAt, bookAt } from './depth.ts';
import { encodeDepth, encodeTrade } from './stream-events.ts';
import { type PublicTrade, tapeAfter } from './tape.ts';

export interface MarketStreamOptions {
  readonly db: Database;
  readonly pipeline: Pick<Pipeline, 'read' | 'onCommitted' | 'seq'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: { warn(details: object, message: string): void };
  readonly limits?: Partial<MarketStreamLimits>;
}

/** Milliseconds and bytes. */
export interface MarketStreamLimits {
  /** Between two depths. */
  readonly interval: number;
  readonly heartbeat: number;
  /** What may wait for a client before it is cut. */
  readonly buffer: number;
  /** After this a client must prove again who it is, by connecting anew. */
  readonly longest: number;
  readonly clients: number;
  /** Of one account, so that none takes the place of all others. */
  readonly clientsOfAccount: number;
}

const usual: MarketStreamLimits = {
  interval: 200,
  heartbeat: 15_000,
  buffer: 1024 * 1024,
  longest: 15 * 60_000,
  clients: 500,
  clientsOfAccount: 20,
};
/** Trades that are read at once for a client that missed some. */
const pageSize = 500;

/** Who follows, what, and since when. */
export interface Subscription {
  readonly accountId: string;
  readonly product: string;
  /** Prices of each side. */
  readonly levels: number;
  /** Number of the last trade that it has; undefined to begin with the present. */
  readonly after: number | undefined;
  /** Whether its credentials are still good; asked with every heartbeat, and never throws. */
  readonly mayListen: () => Promise<boolean>;
}

interface Client extends Subscription {
  readonly response: ServerResponse;
  /** Number of the last trade that it was sent. */
  last: number;
  /** Trades that came while it was catching up; undefined once it has. */
  waiting: PublicTrade[] | undefined;
  /** The depth that it has, without place and time; '' before the first. */
  shown: string;
}

/** The streams of all clients of this process. */
export class MarketStream {
  readonly #options: MarketStreamOptions;
  readonly #limits: MarketStreamLimits;
  readonly #clients = new Set<Client>();
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #seen = -1;
  #over = false;

  constructor(options: MarketStreamOptions) {
    this.#options = options;
    this.#limits = { ...usual, ...options.limits };
    this.#unsubscribe = options.pipeline.onCommitted((committed) => this.#committed(committed));
  }

  get size(): number {
    return this.#clients.size;
  }

  /** @throws Refusal `GPUB_TOO_MANY_STREAMS`; `GPUB_UNAVAILABLE` while the process ends */
  admit(accountId: string): void {
    if (this.#over) throw new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the broker is stopping', { retryAfter: 1 });
    const { clients, clientsOfAccount } = this.#limits;
    if (this.#clients.size >= clients) throw tooMany(`${clients} streams are open already`);
    const own = [...this.#clients].filter((client) => client.accountId === accountId);
    if (own.length >= clientsOfAccount) throw tooMany(`your account has ${clientsOfAccount} streams open already`);
  }

  /** Sends events until the client goes, is too slow, has listened for long enough, or may no more. Resolves then. */
  async serve(response: ServerResponse, subscription: Subscription): Promise<void> {
    const client: Client = { ...subscription, response, last: subscription.after ?? 0, waiting: [], shown: '' };
    this.#clients.add(client);
    this.#timer ??= setInterval(() => void this.#showBooks(), this.#limits.interval);
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    const beat = setInterval(async () => {
      this.#write(client, ': beat\n\n');
      if (!(await client.mayListen())) this.#end(response);
    }, this.#limits.heartbeat);
    const longest = setTimeout(() => this.#end(response), this.#limits.longest);
    try {
      this.#write(client, 'retry: 1000\n\n');
      void this.#showBooks();
      await this.#catchUp(client);
      await closed;
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a market stream broke');
    } finally {
      clearInterval(beat);
      clearTimeout(longest);
      this.#clients.delete(client);
      if (this.#clients.size === 0) this.#rest();
      response.destroy();
    }
  }

  /** Ends every stream. */
  stop(): void {
    this.#over = true;
    this.#unsubscribe();
    this.#rest();
    for (const { response } of this.#clients) this.#end(response);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** What it missed, a page at a time, then what came meanwhile. */
  async #catchUp(client: Client): Promise<void> {
    while (client.after !== undefined && isOpen(client)) {
      const page = await tapeAfter(this.#options.db, client.product, client.last, pageSize);
      this.#send(client, page);
      await this.#drained(client);
      if (page.length < pageSize) break;
    }
    const { waiting = [] } = client;
    client.waiting = undefined;
    this.#send(client, waiting);
  }

  /** Those that it does not have: a commit is in the tables before it is told. */
  #send(client: Client, trades: readonly PublicTrade[], text?: string): void {
    const { last } = client;
    const whole = (trades[0]?.number ?? 0) > last;
    client.last = Math.max(last, trades.at(-1)?.number ?? 0);
    const unsent = whole ? trades : trades.filter(({ number }) => number > last);
    this.#write(client, (whole ? text : undefined) ?? unsent.map(encodeTrade).join(''));
  }

  /** Waits until the client has taken what it was sent. */
  async #drained({ response }: Client): Promise<void> {
    if (!response.writableNeedDrain || response.destroyed) return;
    await new Promise<void>((resolve) => {
      response.once('drain', resolve);
      response.once('close', resolve);
    });
  }

  #committed({ events }: Committed): void {
    if (this.#clients.size === 0) return;
    const followed = new Set([...this.#clients].map(({ product }) => product));
    const trades = new Map<string, PublicTrade[]>();
    for (const event of events) {
      if (event.type !== 'trade' || !followed.has(event.trade.product)) continue;
      const ofProduct = trades.get(event.trade.product) ?? [];
      ofProduct.push(event.trade);
      trades.set(event.trade.product, ofProduct);
    }
    for (const [product, made] of trades) this.#tell(product, made);
  }

  #tell(product: string, trades: readonly PublicTrade[]): void {
    const text = trades.map(encodeTrade).join('');
    for (const client of this.#clients) {
      if (client.product !== product) continue;
      if (client.waiting === undefined) this.#send(client, trades, text);
      else if (client.waiting.length < maxWaiting) client.waiting.push(...trades);
      // It comes back to where it was.
      else client.response.destroy();
    }
  }

  /** Looks at the books that are followed, and shows them to those who have another one. */
  async #showBooks(): Promise<void> {
    const { pipeline, now, log } = this.#options;
    const clients = [...this.#clients];
    const isNews = this.#seen !== pipeline.seq || clients.some(({ shown }) => shown === '');
    if (this.#looking || !isNews) return;
    this.#looking = true;
    try {
      const levels = new Map<string, number>();
      for (const { product, levels: wanted } of clients) {
        levels.set(product, Math.max(wanted, levels.get(product) ?? 0));
      }
      const place = await pipeline.read((engine, seq) => {
        const at = { seq, at: now() };
        return { at, books: [...levels].map(([product, most]) => bookAt(engine, at, product, most)) };
      });
      this.#seen = place.at.seq;
      for (const book of place.books) this.#show(book);
    } catch (error) {
      // The next look comes in a moment; a pipeline that is away says so itself.
      if (!(error instanceof Refusal)) log.warn({ err: error }, 'the books could not be shown');
    } finally {
      this.#looking = false;
    }
  }

  #show(book: BookAt): void {
    const texts = new Map<number, { readonly same: string; readonly text: string }>();
    for (const client of this.#clients) {
      if (client.product !== book.product) continue;
      const known = texts.get(client.levels) ?? encodeDepth(book, client.levels);
      texts.set(client.levels, known);
      if (client.shown === known.same) continue;
      client.shown = known.same;
      this.#write(client, known.text);
    }
  }

  /** What is written still goes out; a client that does not take it is not waited for. */
  #end(response: ServerResponse): void {
    if (response.writableEnded) return;
    response.end();
    setTimeout(() => response.destroy(), this.#limits.heartbeat).unref();
  }

  #write(client: Client, text: string): void {
    const { response } = client;
    if (text === '' || !isOpen(client)) return;
    if (response.writableLength > this.#limits.buffer) response.destroy();
    else response.write(text);
  }
}

/** Trades that wait for a client that is catching up; more, and it is cut. */
const maxWaiting = 10_000;

function isOpen({ response }: Client): boolean {
  return !response.destroyed && !response.writableEnded;
}

function tooMany(problem: string): Refusal {
  return new Refusal('too-many', 'GPUB_TOO_MANY_STREAMS', `${problem}, which is the limit`, { retryAfter: 30 });
}
