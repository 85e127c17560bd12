// Commands are done in memory, and what happened is gathered into a batch, which is stored as one.

import type { Outcome } from '../engine/commands.ts';
import type { Engine, EngineRecord } from '../engine/contract.ts';
import type { EngineEvent } from '../engine/events.ts';
import { chainHash } from './chain.ts';
import { auditOf } from './outbox.ts';
import type { Entry } from './queue.ts';
import { RowCollector } from './rows.ts';
import type { JournalPlace } from './statement.ts';
import type { BatchRows } from './tables.ts';

/** A command that was done, and what its caller is told once the batch is durable. */
export interface Done {
  readonly entry: Entry;
  readonly outcome: Outcome;
}

export interface Batch {
  readonly from: JournalPlace;
  readonly to: JournalPlace;
  readonly done: readonly Done[];
  readonly rows: BatchRows;
  readonly events: readonly EngineEvent[];
}

/** Where a batch begins. */
export interface BatchStart {
  readonly engine: Engine;
  readonly place: JournalPlace;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly now: number;
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

/** Does what is due and then the entries, as many as fit. Those that do not fit are not in `done`. */
export function applyBatch(start: BatchStart, entries: readonly Entry[]): Batch {
  const batch = new BatchInTheMaking(start);
  for (const entry of entries) {
    if (batch.isFull) break;
    batch.apply(entry);
  }
  if (entries.length === 0) batch.tick();
  return batch.finish();
}

class BatchInTheMaking {
  readonly #start: BatchStart;
  readonly #collector: RowCollector;
  readonly #events: EngineEvent[] = [];
  readonly #done: Done[] = [];
  readonly #now: number;
  #seq: number;
  #hash: Buffer;

  constructor(start: BatchStart) {
    const { place, engine, now } = start;
    this.#start = start;
    this.#collector = new RowCollector(place.eventSeq);
    this.#seq = place.seq;
    this.#hash = place.hash;
    // The clock may be set back; the market's time is not.
    this.#now = Math.max(now, engine.now);
  }

  get isFull(): boolean {
    return this.#events.length >= mostEvents;
  }

  /** What is due gets a row of its own, so that a refused command leaves nothing in the journal. */
  tick(): void {
    const { engine } = this.#start;
    const deadline = engine.nextDeadline();
    if (deadline === null || deadline > this.#now) return;
    try {
      engine.apply({ kind: 'tick' }, this.#now);
    } catch (error) {
      throw new EngineFault(undefined, error);
    }
    this.#write(undefined, tickText, null);
  }

  apply(entry: Entry): void {
    this.tick();
    const { engine } = this.#start;
    let outcome: Outcome;
    try {
      outcome = engine.apply(entry.submission.command, this.#now);
    } catch (error) {
      throw new EngineFault(entry, error);
    }
    this.#done.push({ entry, outcome });
    if (outcome.refusal) return;
    this.#write(entry, entry.text, entry.submission.key ? JSON.stringify(outcome.result) : null);
  }

  finish(): Batch {
    const { engine, place } = this.#start;
    const { trades, priority, ids } = countersOf(engine);
    const to = {
      seq: this.#seq,
      eventSeq: this.#collector.eventSeq,
      at: this.#seq === place.seq ? place.at : this.#now,
      trades,
      priority,
      ids,
      hash: this.#hash,
    };
    return { from: place, to, done: this.#done, rows: this.#collector.rows(), events: this.#events };
  }

  #write(entry: Entry | undefined, command: string, result: string | null): void {
    const { engine, epoch } = this.#start;
    const { actor = null, key } = entry?.submission ?? {};
    this.#seq++;
    const row = {
      seq: this.#seq,
      at: this.#now,
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
