// The one connection that writes the market. Opening it takes the pen: what an earlier connection has sent, and the
// server has not stored yet, fails from then on. So what is read after that is how it stays.
import pg from 'pg';
import type { Log } from '../../daemon/logger.ts';
import { leadershipLost } from '../storage/errors.ts';
import { placeOf } from './recovery.ts';
import { fenceValues, type JournalPlace, type Write, type WriterPlace, type Writes } from './statement.ts';

/** SQLSTATE of market_fence, in migration 6. */
const fenceCode = 'GPM01';
/** Milliseconds. */
const times = { connect: 10_000, statement: 120_000 };

/**
 * Tables grow from nothing to millions of rows while a plan stays: only one by the indexes is good all the time. Plans
 * are made once, for the statement is long.
 */
const settings = `select set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false),
  set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
  set_config('enable_mergejoin', 'off', false)`;

/** Whether another writer has taken the pen, or another broker leads. */
export function isFenced(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === fenceCode;
}

export class MarketWriter {
  readonly #url: string;
  readonly #log: Log;
  #client: pg.Client | undefined;
  #reader: pg.Client | undefined;
  #place: WriterPlace | undefined;

  constructor(url: string, log: Log) {
    this.#url = url;
    this.#log = log;
  }

  /**
   * Reads what the writer has stored, also while it stores more: opened after the pen was taken, it sees all that was
   * stored before. It goes with the connection that writes. @throws Error without a connection
   */
  get reader(): pg.Client {
    if (!this.#reader) throw new Error('Connection terminated');
    return this.#reader;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Connects, also where there is a connection, and takes the pen.
   * @returns where the journal stands
   * @throws CodedError GPUB_LEADERSHIP_LOST where another broker leads in another epoch
   */
  async open(epoch: number): Promise<JournalPlace> {
    this.close();
    const client = await connect(this.#url, 'gpubroker market');
    this.#watch(client);
    let reader: pg.Client | undefined;
    try {
      await client.query(settings);
      const { rows } = await client.query(
        `with leads as (select 1 from leader where epoch = $1 for share)
        update market_state set writer = writer + 1, epoch = $1 where exists (select from leads) returning *`,
        [epoch],
      );
      if (rows.length === 0) throw leadershipLost(epoch);
      const place = placeOf(rows[0]);
      reader = await connect(this.#url, 'gpubroker market reader');
      this.#watch(reader);
      this.#client = client;
      this.#reader = reader;
      this.#place = { epoch, writer: place.writer };
      return place;
    } catch (error) {
      cut(client);
      if (reader) cut(reader);
      throw error;
    }
  }

  /**
   * Stores the rows and moves the journal on, all or nothing.
   * @throws what {@link isFenced} knows where the journal does not stand at `from`; after a broken connection nobody
   * knows whether it is stored until {@link open} says where the journal stands
   */
  async store(from: number, to: JournalPlace, { parts, last }: Writes): Promise<void> {
    const client = this.#client;
    if (!client) throw new Error('Connection terminated');
    const place = this.#place as WriterPlace;
    const fence = fenceValues(place, from, to);
    let isOne = true;
    for (const part of parts) {
      if (isOne) await client.query('begin');
      isOne = false;
      await execute(client, part);
    }
    await execute(client, last, fence);
    if (!isOne) await client.query('commit');
  }

  /** Cuts the connections; what is under way fails. */
  close(): void {
    const clients = [this.#client, this.#reader];
    this.#client = undefined;
    this.#reader = undefined;
    for (const client of clients) if (client) cut(client);
  }

  #watch(client: pg.Client): void {
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, undefined));
  }

  /** Either is of no use without the other. */
  #lost(client: pg.Client, error: Error | undefined): void {
    if (this.#client !== client && this.#reader !== client) return;
    this.#log.warn({ err: error }, 'a connection of the market is lost');
    this.close();
  }
}

async function execute(client: pg.Client, write: Write, fence: (number | Buffer)[] = []): Promise<void> {
  const { name, text } = write.statement;
  await client.query({ name, text, values: [...fence, ...write.values] });
}

/** A connection outside of the pool. */
export async function connect(url: string, name: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: times.connect,
    statement_timeout: times.statement,
    idle_in_transaction_session_timeout: times.statement,
    // Longer than the server's own, which tells more.
    query_timeout: times.statement + 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
  // Whoever waits for a query is told by that.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Without a word to the server, which may not answer. */
function cut(client: pg.Client): void {
  client.removeAllListeners('end');
  void client.end().catch(() => undefined);
  const { connection } = client as unknown as { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}
