// Commands are done in memory as they come, and what happened is gathered until the batch is stored, as one.

import type { Outcome } from '../engine/commands.ts';
import type { Engine, EngineRecord } from '../engine/contract.ts';
import type { EngineEvent } from '../engine/events.ts';
import { chainHash } from './chain.ts';
import { auditOf } from './outbox.ts';
import type { Entry, Room } from './queue.ts';
import { RowCollector } from './rows.ts';
import { type JournalPlace, type Writes, writesOf } from './statement.ts';

/** A command that was done, and what its caller is told once the batch is durable. */
export interface Done {
  readonly entry: Entry;
  readonly outcome: Outcome;
}

/** What is stored. */
export interface Batch {
  readonly from: JournalPlace;
  readonly to: JournalPlace;
  readonly done: readonly Done[];
  readonly writes: Writes;
  readonly events: readonly EngineEvent[];
}

/** Where a batch begins. */
export interface BatchStart {
  readonly engine: Engine;
  readonly place: JournalPlace;
  readonly epoch: number;
  /** What it takes, unless one entry is larger. */
  readonly limits: Room;
  /** Of one statement. */
  readonly mostRows: number;
}

/** No further command is done once so many things have happened: each is a row or two. */
const mostEvents = 2_000;
const tickText = JSON.stringify({ kind: 'tick' });

/** An error of the engine itself: what it holds is good for nothing any more. */
export class EngineFault extends Error {
  override readonly name = 'EngineFault';
  readonly entry: Entry | undefined;

  constructor(entry: Entry | undefined, cause: unknown) {
    super('the engine failed', { cause });
    this.entry = entry;
  }
}

export class OpenBatch {
  readonly #start: BatchStart;
  readonly #collector: RowCollector;
  readonly #events: EngineEvent[] = [];
  readonly #done: Done[] = [];
  #text = 0;
  #at: number;
  #seq: number;
  #hash: Buffer;
  #isClosed = false;
  #batch: Batch | undefined;

  constructor(start: BatchStart) {
    const { place } = start;
    this.#start = start;
    this.#collector = new RowCollector(place.eventSeq);
    this.#at = place.at;
    this.#seq = place.seq;
    this.#hash = place.hash;
  }

  /** Nothing was done. */
  get isEmpty(): boolean {
    return this.#done.length === 0 && this.#seq === this.#start.place.seq;
  }

  /** It takes nothing any more. */
  get isFull(): boolean {
    const { entries, text } = this.room;
    return this.#isClosed || entries <= 0 || text <= 0 || this.#events.length >= mostEvents;
  }

  get room(): Room {
    const { limits } = this.#start;
    return { entries: limits.entries - this.#done.length, text: limits.text - this.#text };
  }

  /** It takes nothing any more, whatever its room. */
  close(): void {
    this.#isClosed = true;
  }

  /** Does what is due: in a row of its own, so that a refused command leaves nothing in the journal. */
  tick(now: number): void {
    const { engine } = this.#start;
    const deadline = engine.nextDeadline();
    if (deadline === null || deadline > this.#timeOf(now)) return;
    try {
      engine.apply({ kind: 'tick' }, this.#timeOf(now));
    } catch (error) {
      throw new EngineFault(undefined, error);
    }
    this.#write(undefined, tickText, null);
  }

  /** Does what is due and then the command. */
  apply(entry: Entry, now: number): void {
    this.tick(now);
    const { engine } = this.#start;
    let outcome: Outcome;
    entry.done = true;
    try {
      outcome = engine.apply(entry.submission.command, this.#timeOf(now));
    } catch (error) {
      throw new EngineFault(entry, error);
    }
    this.#done.push({ entry, outcome });
    this.#text += entry.text.length;
    if (outcome.refusal) return;
    this.#write(entry, entry.text, entry.submission.key ? JSON.stringify(outcome.result) : null);
  }

  /** What is to be stored; nothing may be done after that but in the next batch. */
  finish(): Batch {
    this.close();
    this.#batch ??= this.#encoded();
    return this.#batch;
  }

  #encoded(): Batch {
    const { engine, place, mostRows } = this.#start;
    const { trades, priority, ids } = countersOf(engine);
    const to = {
      seq: this.#seq,
      eventSeq: this.#collector.eventSeq,
      at: this.#at,
      trades,
      priority,
      ids,
      hash: this.#hash,
    };
    const writes = writesOf(this.#collector.rows(), mostRows);
    return { from: place, to, done: this.#done, writes, events: this.#events };
  }

  /** The clock may be set back; the market's time is not. */
  #timeOf(now: number): number {
    return Math.max(now, this.#start.engine.now);
  }

  #write(entry: Entry | undefined, command: string, result: string | null): void {
    const { engine, epoch } = this.#start;
    const { actor = null, key } = entry?.submission ?? {};
    this.#seq++;
    this.#at = engine.now;
    const row = {
      seq: this.#seq,
      at: this.#at,
      epoch,
      accountId: actor?.accountId ?? null,
      userId: actor?.userId ?? null,
      keyAccountId: key?.accountId ?? null,
      key: key?.key ?? null,
      digest: key?.digest ?? null,
      command,
      result,
    };
    this.#hash = chainHash(this.#hash, row);
    const events = engine.takeEvents();
    const told = entry && auditOf(entry.submission.command, actor);
    this.#collector.add({ ...row, hash: this.#hash }, told, events);
    // One by one: a kill has more of them than a call may have arguments.
    for (const event of events) this.#events.push(event);
  }
}

/** The first record of the state. */
function countersOf(engine: Engine): Extract<EngineRecord, { type: 'counters' }> {
  for (const record of engine.records()) if (record.type === 'counters') return record;
  throw new Error('the engine has no counters');
}
