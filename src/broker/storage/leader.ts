// Who leads: the broker whose connection holds an advisory lock. Each new leader raises the epoch, and every
// transaction of a leader checks it, so one that was stopped and wakes up late cannot write.
//
//   waiting ──lock is ours, epoch raised──▶ leading ──connection lost──▶ lost (waits again if asked to)
//
// The lock belongs to a session. The server ends the session of a leader that it has not heard of for `silence`:
// because its machine is gone (keep-alive), or because it was stopped (idle session), and then another takes over.
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import type { Queryable } from './database.ts';
import { leadershipLost } from './errors.ts';

/** The key of the advisory lock: "lead" in ASCII. */
export const leaderLock = 0x6c656164;

/** Milliseconds. */
const times = { silence: 15_000, answer: 5000, poll: 500, longestPause: 5000 };

export interface LeaderOptions {
  readonly url: string;
  readonly log: Log;
  readonly now: () => Date;
  /** What the database shows of the leader; this machine and process by default. */
  readonly holder?: string;
  /** Milliseconds without a word after which the server drops a leader. */
  readonly silence?: number;
}

export interface Leader {
  /** Of this leadership; `undefined` while another broker leads, or none. */
  readonly epoch: number | undefined;
  /** Waits until this broker leads; resolves with its epoch. Rejects with the signal's reason when aborted. */
  waitToLead(abort?: AbortSignal): Promise<number>;
  /**
   * To be called in every transaction of a leader: holds the epoch until the transaction ends.
   * @throws CodedError GPUB_LEADERSHIP_LOST when this broker does not lead (any more).
   */
  check(trx: Queryable): Promise<void>;
  /** Calls the listener when leadership ends without being given up; returns the function that ends this. */
  onLost(listener: (reason: string) => void): () => void;
  /** Gives leadership up, so that another takes over at once. */
  close(): Promise<void>;
}

export function createLeader(options: LeaderOptions): Leader {
  return new Candidate(options);
}

class Candidate implements Leader {
  readonly #options: LeaderOptions;
  readonly #listeners = new Set<(reason: string) => void>();
  readonly #closing = new AbortController();
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #epoch: number | undefined;
  /** The last epoch that was ours, for the error of who comes late. */
  #lastEpoch = 0;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  get epoch(): number | undefined {
    return this.#epoch;
  }

  async waitToLead(abort?: AbortSignal): Promise<number> {
    const signal = abort ? AbortSignal.any([abort, this.#closing.signal]) : this.#closing.signal;
    let pause = times.poll;
    while (this.#epoch === undefined) {
      signal.throwIfAborted();
      try {
        if (await this.#tryToLead()) break;
        pause = times.poll;
      } catch (error) {
        this.#options.log.warn({ err: error }, 'cannot ask for leadership');
        await this.#disconnect();
        pause = Math.min(pause * 2, times.longestPause);
      }
      // Polled: a wait inside of the server would hold back its clean-up of old rows.
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal });
    }
    return this.#epoch ?? this.#lastEpoch;
  }

  async check(trx: Queryable): Promise<void> {
    if (this.#epoch === undefined) throw leadershipLost(this.#lastEpoch);
    const { rows } = await sql`select 1 from leader where epoch = ${this.#epoch} for share`.execute(trx);
    if (rows.length === 0) throw leadershipLost(this.#epoch);
  }

  onLost(listener: (reason: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('storage is closed'));
    this.#epoch = undefined;
    await this.#disconnect();
  }

  /** The session stays ours between attempts: connecting is what costs. */
  async #tryToLead(): Promise<boolean> {
    const client = this.#client ?? (await this.#connect());
    this.#client = client;
    const { rows } = await client.query('select pg_try_advisory_lock($1) as locked', [leaderLock]);
    if (!rows[0]?.locked) return false;
    const { now, silence = times.silence, holder = `${hostname()}:${process.pid}`, log } = this.#options;
    const raised = await client.query('update leader set epoch = epoch + 1, holder = $1, since = $2 returning epoch', [
      holder,
      now(),
    ]);
    if (this.#client !== client || this.#closing.signal.aborted) throw new Error('the connection was lost');
    const epoch = Number(raised.rows[0]?.epoch);
    this.#epoch = epoch;
    this.#lastEpoch = epoch;
    this.#timer = setInterval(() => void this.#ping(client), silence / 5);
    log.info({ epoch, holder }, 'leading');
    return true;
  }

  async #connect(): Promise<pg.Client> {
    const { url, silence = times.silence } = this.#options;
    const client = new pg.Client({
      connectionString: url,
      application_name: 'gpubroker leader',
      connectionTimeoutMillis: times.answer,
      statement_timeout: 60_000,
      // Longer than the server's own, which tells more.
      query_timeout: 65_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
    });
    client.on('error', (error) => this.#lost(client, messageOf(error)));
    client.on('end', () => this.#lost(client, 'the connection ended'));
    await client.connect();
    await client.query(
      `select set_config('idle_session_timeout', $1, false), set_config('tcp_keepalives_idle', '5', false),
        set_config('tcp_keepalives_interval', '2', false), set_config('tcp_keepalives_count', '3', false),
        set_config('tcp_user_timeout', $1, false)`,
      [String(silence)],
    );
    return client;
  }

  /** Tells the server that we live, and notices when it does not. */
  async #ping(client: pg.Client): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the server does not answer')), times.answer);
    });
    try {
      await Promise.race([client.query('select'), late]);
    } catch (error) {
      this.#lost(client, messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }

  #lost(client: pg.Client, reason: string): void {
    if (this.#client !== client) return;
    const epoch = this.#epoch;
    this.#epoch = undefined;
    void this.#disconnect();
    if (epoch === undefined || this.#closing.signal.aborted) return;
    this.#options.log.warn({ epoch, reason }, 'leadership lost');
    for (const listener of this.#listeners) listener(reason);
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    clearInterval(this.#timer);
    if (!client) return;
    const timer = setTimeout(() => clientStream(client)?.destroy(), times.answer);
    await client.end().catch(() => undefined);
    clearTimeout(timer);
  }
}

/** The socket of a connection, which types do not show: one that hangs can be cut by nothing else. */
function clientStream(client: pg.Client): { destroy(): void } | undefined {
  return (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream;
}
