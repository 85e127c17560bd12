// The one way to change the market: a command is answered once it is durable, and what is read is durable too.
import type { Command, Result } from '../engine/commands.ts';
import type { EngineView } from '../engine/contract.ts';
import type { EngineEvent } from '../engine/events.ts';

/** Who gave a command; the journal keeps it. */
export interface Actor {
  readonly accountId: string;
  readonly userId: string;
}

/** A name that the caller gave to his request, so that it is done once however often it is sent. */
export interface IdempotencyKey {
  readonly accountId: string;
  /** 1–255 printable characters. */
  readonly key: string;
  /** SHA-256, in hexadecimal, of what was asked: method, path and body. */
  readonly digest: string;
}

export interface Submission {
  readonly command: Command;
  /** Null: the broker itself. */
  readonly actor: Actor | null;
  readonly key?: IdempotencyKey | undefined;
}

/** A batch that is durable. */
export interface Committed {
  /** Of its last command in the journal. */
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly events: readonly EngineEvent[];
}

export interface Pipeline {
  /**
   * Resolves when the command is durable. The same key with the same digest resolves with the first answer.
   * @throws Refusal of the engine; `GPUB_IDEMPOTENCY_KEY_REUSED` (conflict); `GPUB_MARKET_BUSY` (too-many) when the
   * queue is full; `GPUB_MARKET_UNAVAILABLE` (unavailable, may be tried again with the same key)
   */
  submit(submission: Submission): Promise<Result>;
  /**
   * Looks at the engine, and tells what it saw once all of that is durable. It may look again, after a failure.
   * @param look also given the sequence of the last command in what it sees
   * @throws Refusal as submit
   */
  read<Value>(look: (engine: EngineView, seq: number) => Value): Promise<Value>;
  /** Calls the listener after every commit; returns the function that ends this. */
  onCommitted(listener: (committed: Committed) => void): () => void;
  /** Sequence of the last durable command. */
  readonly seq: number;
}
