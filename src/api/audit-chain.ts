// The audit log's chain: each entry's hash covers the entry and the hash before it. Pure, so anybody can check it.
import { createHash } from 'node:crypto';
import type { AuditEntryView } from './audit.ts';

/** Where a chain stands: the number of its last entry and that entry's hash, in hexadecimal. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

/** What a check found: the chain's end, or the first entry that is not as it was written. */
export type ChainVerdict =
  | { readonly valid: true; readonly end: ChainPoint; readonly entries: number }
  | { readonly valid: false; readonly seq: number; readonly reason: string };

/** What of an entry the hash covers. */
export type AuditContent = Pick<
  AuditEntryView,
  'at' | 'actor' | 'account_id' | 'action' | 'target' | 'outcome' | 'details'
>;

/** JSON with sorted keys and no spaces: the same value always gives the same text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(',')}}`;
}

/** The text that an entry's hash covers. */
export function auditContent(entry: AuditContent): string {
  const { at, actor, account_id, action, target, outcome, details } = entry;
  return canonicalJson({ at: new Date(at).toISOString(), actor, account_id, action, target, outcome, details });
}

/** SHA-256 over the hash before, the number as eight bytes, and the content. */
export function auditHash(previous: Buffer, seq: number, content: string): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigInt64BE(BigInt(seq));
  return createHash('sha256').update(previous).update(number).update(content).digest();
}

/** Reads `SEQ:HASH`, as an end of the chain is kept elsewhere; undefined for another text. */
export function readChainPoint(text: string): ChainPoint | undefined {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  return seq === undefined || hash === undefined ? undefined : { seq: Number(seq), hash: hash.toLowerCase() };
}

/**
 * Checks a chain page by page, from where the broker says that it begins. Whoever may write all of the database can
 * also write a new chain, or take away its end; only a point that was kept elsewhere shows that.
 */
export class ChainCheck {
  #end: ChainPoint;
  #entries = 0;
  readonly #start: ChainPoint;
  readonly #remembered: ChainPoint | undefined;

  /** @param remembered an end that the chain once had; `finish` says whether it is still a part of it */
  constructor(start: ChainPoint, remembered?: ChainPoint) {
    this.#end = start;
    this.#start = start;
    this.#remembered = remembered;
  }

  /** Checks entries that follow, oldest first; the first bad one ends the check. */
  add(entries: Iterable<AuditEntryView>): ChainVerdict {
    for (const entry of entries) {
      const reason = this.#fault(entry);
      if (reason !== undefined) return { valid: false, seq: entry.seq, reason };
      this.#end = { seq: entry.seq, hash: entry.hash };
      this.#entries++;
    }
    return { valid: true, end: this.#end, entries: this.#entries };
  }

  /** Whether the chain ended where the broker says that it ends. */
  finish(end: ChainPoint): ChainVerdict {
    if (this.#end.seq < end.seq) {
      return { valid: false, seq: this.#end.seq + 1, reason: 'the entry is missing, or the log was cut' };
    }
    if (this.#end.seq > end.seq || this.#end.hash !== end.hash) {
      return { valid: false, seq: this.#end.seq, reason: 'the end of the log is not the recorded one' };
    }
    const reason = this.#missed();
    if (reason !== undefined) return { valid: false, seq: this.#remembered?.seq ?? 0, reason };
    return { valid: true, end: this.#end, entries: this.#entries };
  }

  /** Why the remembered point is no part of what was checked. */
  #missed(): string | undefined {
    const { seq, hash } = this.#remembered ?? this.#start;
    if (seq > this.#end.seq) return `the log ends at ${this.#end.seq}, before the remembered entry: it was cut`;
    if (seq < this.#start.seq) return 'the remembered entry is older than what is kept: remember a later one';
    return seq === this.#start.seq && hash !== this.#start.hash ? notRemembered : undefined;
  }

  #fault(entry: AuditEntryView): string | undefined {
    const { seq, hash } = this.#end;
    if (entry.seq === this.#remembered?.seq && entry.hash !== this.#remembered.hash) return notRemembered;
    if (entry.seq > seq + 1) return `entry ${seq + 1} is missing`;
    if (entry.seq !== seq + 1) return `the entry stands out of order, after ${seq}`;
    if (entry.previous_hash !== hash) return 'the entry before it is not the one that it was written after';
    const expected = auditHash(Buffer.from(hash, 'hex'), entry.seq, auditContent(entry)).toString('hex');
    return expected === entry.hash ? undefined : 'the entry is not as it was written';
  }
}

const notRemembered = 'the entry is not the remembered one: the log was written anew';

/** Checks a whole chain: every entry, in order, from `start`, and that it ends at `end` where that is given. */
export function verifyChain(entries: Iterable<AuditEntryView>, start: ChainPoint, end?: ChainPoint): ChainVerdict {
  const check = new ChainCheck(start);
  const verdict = check.add(entries);
  return verdict.valid && end ? check.finish(end) : verdict;
}
