// The chain of the market's journal: each row's hash covers the row and the hash before it, so that none can be
// changed, left out or put in without all that follow.
import { hash } from 'node:crypto';

/** A row of the journal as the hash sees it; `command` and `result` are texts as they are stored. */
export interface ChainedRow {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly epoch: number;
  readonly accountId: string | null;
  readonly userId: string | null;
  readonly command: string;
  readonly result: string | null;
  /** Whose idempotency key, and the key. */
  readonly keyAccountId: string | null;
  readonly key: string | null;
  /** Of the request, in hexadecimal. */
  readonly digest: string | null;
}

/** What the first row is chained to. */
export const chainStart: Buffer = hash('sha256', '', 'buffer');

/**
 * SHA-256 over the lines: previous hash in hexadecimal, seq, at, epoch, account, user, the key's account, key, digest, result, command;
 * empty for what is not there. None of them can hold an end of line.
 */
export function chainHash(previous: Buffer, row: ChainedRow): Buffer {
  const { seq, at, epoch, accountId, userId, keyAccountId, key, digest, result, command } = row;
  const place = `${previous.toString('hex')}\n${seq}\n${at}\n${epoch}`;
  const who = `${accountId ?? ''}\n${userId ?? ''}\n${keyAccountId ?? ''}\n${key ?? ''}\n${digest ?? ''}`;
  return hash('sha256', `${place}\n${who}\n${result ?? ''}\n${command}`, 'buffer');
}
