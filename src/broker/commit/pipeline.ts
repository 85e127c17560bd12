// The one writer of the market: does commands in memory as they come, stores what happened a batch at a time, and
// answers once that is durable. While a batch is stored the next one is made.
//
//   opening ──pen taken, engine made of the tables──▶ serving ──a batch was done──▶ storing ──durable──▶ serving
//      ▲                                                                            │  ▲
//      │                                                     connection lost ───────┤  └─ stored before, or again
//      ├── another writer has moved the journal on ◀────────────────────────────────┤
//      └── the batch cannot be stored: its commands are tried one by one ◀───────────┘
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Registry } from 'prom-client';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import type { Result } from '../engine/commands.ts';
import type { Engine, EngineView } from '../engine/contract.ts';
import { leadershipLost } from '../storage/errors.ts';
import { isPassing } from '../storage/failures.ts';
import { type Batch, EngineFault, OpenBatch } from './batch.ts';
import type { Committed, Pipeline, Submission } from './contract.ts';
import { answerKnown, KeysUnderway } from './idempotency.ts';
import { createPipelineMetrics, type PipelineMetrics } from './metrics.ts';
import { CommandQueue, type Entry, type Room } from './queue.ts';
import { type Looks, Readers } from './readers.ts';
import { loadTables } from './recovery.ts';
import { refusalOf, unavailable, unstorable } from './refusals.ts';
import type { JournalPlace } from './statement.ts';
import { isStorable } from './storable.ts';
import { connect, isFenced, MarketWriter } from './writer.ts';

export interface PipelineOptions {
  /** Of the database; the pipeline has connections of its own. */
  readonly url: string;
  /** Of this broker's leadership; undefined while it does not lead. */
  readonly epoch: () => number | undefined;
  readonly createEngine: () => Engine;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
  readonly registry: Registry;
  /** In [0, 1): spreads pauses. */
  readonly random?: () => number;
  /** How long a command may wait for its answer, in milliseconds; 10 s by default. */
  readonly patienceMs?: number;
  /** Commands that may wait; 10,000 by default. */
  readonly mostWaiting?: number;
  /** Commands of a batch, at most; 250 by default. */
  readonly mostInBatch?: number;
  /** Rows that one statement stores, at most; 20,000 by default. */
  readonly mostRows?: number;
}

/** The pipeline with what the process that runs it calls. */
export interface RunningPipeline extends Pipeline {
  /** Takes the pen and makes the engine from the tables; tries until it can. @throws Error when stopped before */
  start(): Promise<void>;
  /** Stores the batch that is under way, if the database answers, and refuses what waits. */
  stop(): Promise<void>;
  /** Resolves when nothing waits to be stored. */
  idle(): Promise<void>;
}

export function createPipeline(options: PipelineOptions): RunningPipeline {
  return new CommitPipeline(options);
}

const batchText = 2 * 1024 * 1024;
/** Commands that are done before anything else has its turn: about a millisecond. */
const perTurn = 32;
/** Milliseconds. */
const times = { patience: 10_000, sweep: 250, firstPause: 50, longestPause: 2_000, longestTimer: 2 ** 31 - 1 };

class CommitPipeline implements RunningPipeline {
  readonly #options: PipelineOptions;
  readonly #queue: CommandQueue;
  readonly #keys = new KeysUnderway();
  readonly #readers: Readers;
  readonly #metrics: PipelineMetrics;
  readonly #writer: MarketWriter;
  readonly #listeners = new Set<(committed: Committed) => void>();
  readonly #stopping = new AbortController();
  readonly #loaded = Promise.withResolvers<void>();
  readonly #patience: number;
  /** Of a batch. */
  readonly #limits: Room;
  #engine: Engine | undefined;
  /** Where the journal stands. */
  #place: JournalPlace | undefined;
  /** Where it will stand after the batch that is stored; where the next one begins. */
  #planned: JournalPlace | undefined;
  #epoch = 0;
  /** The batch that is made. */
  #making: OpenBatch | undefined;
  /** The batch before it, on its way to the database. */
  #storing: Promise<void> | undefined;
  /** Taken from the queue, and not known to be stored. */
  #underway: readonly Entry[] = [];
  /** Resolves when something has come, or is due. */
  #arrival = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #sweeper: NodeJS.Timeout | undefined;
  #alarm: NodeJS.Timeout | undefined;

  constructor(options: PipelineOptions) {
    const { url, log, registry, patienceMs = times.patience } = options;
    const { mostWaiting = 10_000, mostInBatch = 250 } = options;
    this.#options = options;
    // Whoever has called start() hears of it.
    this.#loaded.promise.catch(() => undefined);
    this.#patience = patienceMs;
    this.#queue = new CommandQueue(mostWaiting);
    this.#limits = { entries: mostInBatch, text: batchText };
    this.#readers = new Readers(mostWaiting);
    this.#metrics = createPipelineMetrics(registry, () => this.#queue.length + this.#underway.length);
    this.#writer = new MarketWriter(url, log);
  }

  get seq(): number {
    return this.#place?.seq ?? 0;
  }

  submit(submission: Submission): Promise<Result> {
    try {
      if (this.#stopping.signal.aborted) throw unavailable('the broker is stopping', 'not-done');
      const known = submission.key && this.#keys.find(submission.key);
      if (known) return known;
      const text = JSON.stringify(submission.command);
      if (!isStorable(text)) throw unstorable();
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      this.#queue.add(this.#entry(submission, text, resolve, reject));
      if (submission.key) this.#keys.add(submission.key, promise);
      this.#wake();
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  read<Value>(look: (engine: EngineView, seq: number) => Value): Promise<Value> {
    if (this.#stopping.signal.aborted) return Promise.reject(unavailable('the broker is stopping', 'not-done'));
    const answer = this.#readers.add(look);
    this.#lookIfDurable();
    return answer;
  }

  onCommitted(listener: (committed: Committed) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    this.#sweeper = setInterval(() => this.#sweep(), times.sweep);
    this.#sweeper.unref();
    this.#wake();
    await this.#loaded.promise;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#loaded.reject(new Error('the market was stopped before it was loaded'));
    clearTimeout(this.#alarm);
    await Promise.race([this.idle(), sleep(this.#patience, undefined, { ref: false })]);
    clearInterval(this.#sweeper);
    this.#writer.close();
    this.#sweep(Number.POSITIVE_INFINITY);
    await this.idle();
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #entry(submission: Submission, text: string, resolve: (result: Result) => void, reject: (error: unknown) => void) {
    const submittedAt = performance.now();
    const settle = () => {
      entry.settled = true;
      // Of one that was done its batch must be known first.
      if (!entry.done) this.#forgetKey(entry);
      this.#metrics.answered((performance.now() - submittedAt) / 1000);
    };
    const entry: Entry = {
      submission,
      text,
      submittedAt,
      alone: false,
      keyChecked: false,
      done: false,
      settled: false,
      resolve: (result) => {
        settle();
        resolve(result);
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    };
    return entry;
  }

  #forgetKey({ submission: { key } }: Entry): void {
    if (key) this.#keys.remove(key);
  }

  /** Something has come, or is due. In the next turn, so that what comes together is done together. */
  #wake(): void {
    this.#arrival.resolve();
    this.#running ??= nextTurn()
      .then(() => this.#run())
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'the market failed'))
      .finally(() => {
        this.#running = undefined;
        this.#setAlarm();
        // What came in the meantime found it running.
        if (this.#queue.length > 0 && !this.#stopping.signal.aborted) this.#wake();
      });
  }

  async #run(): Promise<void> {
    for (let pause = times.firstPause; !this.#stopping.signal.aborted; ) {
      try {
        await this.#serve();
        return;
      } catch (error) {
        // What a failed engine has done is not stored.
        if (error instanceof EngineFault) this.#making = undefined;
        // Whatever failed, what was sent is waited for.
        await this.#storing?.catch(() => undefined);
        this.#giveBack(error);
        if (!this.#engine && !isPassing(error)) this.#loaded.reject(error);
        this.#options.log.warn({ err: error, retryMs: pause }, 'the market cannot be stored: trying again');
        await this.#pause(pause);
        pause = Math.min(pause * 2, times.longestPause);
      }
    }
  }

  /** Works until nothing waits. @throws what makes the engine, or the connection, good for nothing */
  async #serve(): Promise<void> {
    const engine = await this.#openEngine();
    this.#lookIfDurable();
    for (;;) {
      this.#arrival = Promise.withResolvers();
      await this.#do(engine);
      if (!this.#storing && this.#making) {
        this.#startStoring(engine, this.#making);
        // What waits already is the next batch.
        continue;
      }
      // Nothing is added to it any more: it can be sent at once when its turn comes.
      if (this.#making?.isFull) this.#making.finish();
      if (this.#storing) await Promise.race([this.#storing, this.#arrival.promise.then(nextTurn)]);
      else if (this.#stopping.signal.aborted || !this.#hasWork(engine)) return;
    }
  }

  #hasWork(engine: Engine): boolean {
    return this.#queue.length > 0 || this.#isDue(engine);
  }

  /** Does what waits and what is due, as much as the batch takes. */
  async #do(engine: Engine): Promise<void> {
    while (!this.#stopping.signal.aborted && this.#hasWork(engine) && !this.#making?.isFull) {
      if (this.#queue.isNextAlone) {
        if (this.#making || this.#storing) return;
        await this.#doAlone(engine);
        return;
      }
      const entries = this.#take(this.#making?.room ?? this.#limits);
      try {
        await this.#applyAll(engine, await answerKnown(this.#writer.reader, entries));
      } catch (error) {
        if (error instanceof EngineFault || !(this.#making || this.#storing)) throw error;
        // What was done before can still be stored, and a connection is made for that.
        this.#wait(entries);
        return;
      }
    }
  }

  /** Where a command is under suspicion it gets a batch of its own, and so does what is due before it. */
  async #doAlone(engine: Engine): Promise<void> {
    const entries = this.#isDue(engine) ? [] : this.#take(this.#limits);
    await this.#applyAll(engine, await answerKnown(this.#writer.reader, entries));
    this.#making?.close();
  }

  #take(room: Room): readonly Entry[] {
    const entries = this.#queue.take(room);
    this.#underway = [...this.#underway, ...entries];
    return entries;
  }

  /** What was taken waits again. */
  #wait(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.#underway = this.#underway.filter((entry) => !entries.includes(entry));
    this.#queue.putBack(entries);
  }

  /** Does what is due and then the commands, some in a turn: a batch on its way is sent and answered in between. */
  async #applyAll(engine: Engine, entries: readonly Entry[]): Promise<void> {
    let done = this.#apply(engine, entries.slice(0, perTurn));
    while (done < entries.length && !this.#making?.isFull) {
      await nextTurn();
      done += this.#apply(engine, entries.slice(done, done + perTurn));
    }
    this.#wait(entries.slice(done));
    this.#dropSettled();
  }

  /** @returns how many the batch has taken */
  #apply(engine: Engine, entries: readonly Entry[]): number {
    const now = this.#options.now();
    const place = this.#planned as JournalPlace;
    const { mostRows = 20_000 } = this.#options;
    this.#making ??= new OpenBatch({ engine, place, epoch: this.#epoch, limits: this.#limits, mostRows });
    const batch = this.#making;
    batch.tick(now);
    let count = 0;
    for (; count < entries.length && !batch.isFull; count++) {
      const entry = entries[count] as Entry;
      // Who was told that nobody knows asks again.
      if (!entry.settled) batch.apply(entry, now);
    }
    if (batch.isEmpty) this.#making = undefined;
    return count;
  }

  #startStoring(engine: Engine, open: OpenBatch): void {
    const batch = open.finish();
    this.#making = undefined;
    this.#planned = batch.to;
    this.#storing = this.#store(engine, batch, this.#readers.look(engine, batch.to.seq));
    // Whoever waits for it hears of it.
    this.#storing.catch(() => undefined);
  }

  async #store(engine: Engine, batch: Batch, looks: Looks): Promise<void> {
    const started = performance.now();
    try {
      await this.#makeDurable(batch);
    } catch (error) {
      looks.repeat();
      throw error;
    }
    this.#place = batch.to;
    this.#storing = undefined;
    // The database works on while those of this batch are told.
    if (this.#making) this.#startStoring(engine, this.#making);
    this.#tell(batch, (performance.now() - started) / 1000);
    this.#answer(batch);
    looks.tell();
    this.#lookIfDurable();
  }

  /** Those who gave up meanwhile are not answered again. */
  #answer(batch: Batch): void {
    for (const { entry, outcome } of batch.done) {
      entry.done = false;
      if (entry.settled) this.#forgetKey(entry);
      else if (outcome.refusal) entry.reject(refusalOf(outcome.refusal));
      else entry.resolve(outcome.result);
    }
    this.#dropSettled();
  }

  /** Of what was done the end is waited for, whoever waits for it. */
  #dropSettled(): void {
    this.#underway = this.#underway.filter(({ done, settled }) => done || !settled);
  }

  /** Those who wait for a state without anything that is not durable. */
  #lookIfDurable(): void {
    if (!this.#engine || !this.#place || this.#isDirty) return;
    this.#readers.look(this.#engine, this.#place.seq).tell();
  }

  /** The engine holds something that is not durable. */
  get #isDirty(): boolean {
    return this.#making !== undefined || this.#storing !== undefined;
  }

  /** @throws what no further try of the same batch would change */
  async #makeDurable(batch: Batch): Promise<void> {
    // Where all was refused there is nothing to store.
    if (batch.to.seq === batch.from.seq) return;
    for (;;) {
      try {
        await this.#writer.store(batch.from.seq, batch.to, batch.writes);
        return;
      } catch (error) {
        if (!isPassing(error) && !isFenced(error)) throw error;
        this.#metrics.retried();
        this.#options.log.warn({ err: error, seq: batch.to.seq }, 'a batch of the market may not be stored: looking');
      }
      const fate = await this.#fateOf(batch);
      if (fate === 'stored') return;
      if (fate === 'replaced') throw new Error('another writer has moved the market on');
    }
  }

  /**
   * What became of a batch whose connection broke, once the database answers. Where another writer went on, the engine
   * is out of date, and whoever is in the batch is answered here.
   * @throws InDoubt when stopped before that is known
   */
  async #fateOf(batch: Batch): Promise<'stored' | 'not-stored' | 'replaced'> {
    for (let pause = times.firstPause; ; pause = Math.min(pause * 2, times.longestPause)) {
      try {
        const { hash } = await this.#openWriter();
        if (hash.equals(batch.to.hash)) return 'stored';
        if (hash.equals(batch.from.hash)) return 'not-stored';
        if (await isInJournal(this.#writer.reader, batch.to)) this.#answer(batch);
        return 'replaced';
      } catch (error) {
        this.#options.log.warn({ err: error, retryMs: pause }, 'the database of the market cannot be reached');
      }
      await this.#pause(pause);
      if (this.#stopping.signal.aborted) throw new InDoubt();
    }
  }

  async #openWriter(): Promise<JournalPlace> {
    const epoch = this.#options.epoch();
    if (epoch === undefined) throw leadershipLost(this.#epoch);
    this.#epoch = epoch;
    return await this.#writer.open(epoch);
  }

  /** The engine, made of the tables if there is none. */
  async #openEngine(): Promise<Engine> {
    if (this.#engine && this.#place) {
      if (this.#writer.isOpen) return this.#engine;
      const { hash } = await this.#openWriter();
      if (hash.equals(this.#place.hash)) return this.#engine;
      this.#forget();
    }
    if (!this.#writer.isOpen) await this.#openWriter();
    const started = performance.now();
    const engine = this.#options.createEngine();
    const client = await connect(this.#options.url, 'gpubroker market recovery');
    try {
      this.#place = await loadTables(client, (record) => engine.restore(record));
      this.#planned = this.#place;
    } finally {
      await client.end().catch(() => undefined);
    }
    this.#engine = engine;
    const seconds = (performance.now() - started) / 1000;
    this.#metrics.rebuilt(seconds);
    this.#loaded.resolve();
    this.#options.log.info({ seq: this.#place.seq, orders: engine.openOrders(), seconds }, 'the market is loaded');
    return engine;
  }

  /** After a failure: what may be in memory alone is forgotten, and who waits goes on waiting. */
  #giveBack(error: unknown): void {
    for (const entry of this.#underway) {
      entry.done = false;
      if (entry.settled) this.#forgetKey(entry);
    }
    const waiting = this.#underway.filter(({ settled }) => !settled);
    this.#underway = [];
    if (error instanceof InDoubt) {
      for (const entry of waiting.splice(0)) entry.reject(unavailable('the broker is stopping', 'unknown'));
    }
    if (this.#isDirty || error instanceof EngineFault) {
      this.#forget();
      // The connection may hold half of a transaction.
      this.#writer.close();
      if (isFaultOf(waiting, error)) {
        this.#options.log.error(
          { err: error, kind: waiting[0]?.submission.command.kind },
          'a command cannot be stored',
        );
        waiting.shift()?.reject(error);
      }
      for (const entry of waiting) entry.alone = true;
    }
    this.#queue.putBack(waiting);
  }

  #forget(): void {
    this.#engine = undefined;
    this.#place = undefined;
    this.#planned = undefined;
    this.#making = undefined;
    this.#storing = undefined;
  }

  #isDue(engine: Engine): boolean {
    const deadline = engine.nextDeadline();
    return deadline !== null && deadline <= this.#options.now();
  }

  #setAlarm(): void {
    clearTimeout(this.#alarm);
    const deadline = this.#engine?.nextDeadline() ?? null;
    if (deadline === null || this.#stopping.signal.aborted) return;
    const wait = Math.max(deadline - this.#options.now(), 1);
    this.#alarm = setTimeout(() => this.#wake(), Math.min(wait, times.longestTimer));
    this.#alarm.unref();
  }

  async #pause(milliseconds: number): Promise<void> {
    const { random = Math.random } = this.#options;
    const { signal } = this.#stopping;
    await sleep(milliseconds * (0.5 + random() / 2), undefined, { signal }).catch(() => undefined);
  }

  /** Refuses those who have waited for too long. */
  #sweep(then = performance.now() - this.#patience): void {
    const reason = 'the market cannot store this now';
    for (const entry of this.#queue.takeOlder(then)) entry.reject(unavailable(reason, 'not-done'));
    for (const entry of this.#underway) {
      if (!entry.settled && entry.submittedAt < then) entry.reject(unavailable(reason, 'unknown'));
    }
    this.#readers.refuseOlder(then);
  }

  #tell({ from, to, events }: Batch, seconds: number): void {
    if (to.seq === from.seq) return;
    this.#metrics.committed(to.seq - from.seq, seconds, events);
    const committed = { seq: to.seq, at: to.at, events };
    for (const listener of this.#listeners) {
      try {
        listener(committed);
      } catch (error) {
        this.#options.log.error({ err: error }, `a listener of the market failed: ${messageOf(error)}`);
      }
    }
  }
}

/** The pipeline was stopped while nobody knew whether a batch is stored. */
class InDoubt extends Error {
  override readonly name = 'InDoubt';
}

async function isInJournal(client: pg.Client, { seq, hash }: JournalPlace): Promise<boolean> {
  const { rows } = await client.query('select 1 from market_journal where seq = $1 and hash = $2', [seq, hash]);
  return rows.length > 0;
}

/** Whether the error is that of the first entry alone, and of nothing else that may pass. */
function isFaultOf(entries: readonly Entry[], error: unknown): boolean {
  const [first, second] = entries;
  return first !== undefined && second === undefined && first.alone && !isPassing(error) && !isFenced(error);
}
