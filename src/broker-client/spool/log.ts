// What the spool needs of a log, on disk or in memory: messages in order, until they need not be kept.

/** One message; its sequence is the log's own count. */
export interface Message {
  readonly sequence: bigint;
  readonly payload: Buffer;
}

/** How much one read may return; it returns one message at least, where there is one. */
export interface ReadLimit {
  readonly messages: number;
  readonly bytes: number;
}

/** Messages in the order in which they were appended. Sequences rise; they have gaps only where messages were dropped. */
export interface MessageLog {
  /** The sequence of the last message; 0 where there was none yet. */
  readonly last: bigint;
  /** The last message that may be sent: a crash of this process cannot take it back. */
  readonly sendable: bigint;
  /** The oldest message that is kept; one more than `last` where none is. */
  readonly first: bigint;
  /** Of what is kept. */
  readonly bytes: number;
  /** How many messages were dropped before they could be sent. */
  readonly dropped: number;
  /** Appends a message and returns its sequence; never waits and never fails. */
  append(payload: Buffer): bigint;
  /** Messages behind `after` that may be sent. */
  read(after: bigint, limit: ReadLimit): Promise<readonly Message[]>;
  /** Everything up to here need not be kept. */
  trim(through: bigint): void;
  /** Drops every message. */
  clear(): void;
  /** Waits for the disk, but not for long. */
  close(): Promise<void>;
}
