// What the node has to tell and the broker has not stored: changes, which are kept in order without gaps, and
// telemetry, of which the oldest is dropped when there is too much.
//
// The spool has an id, and the broker counts within it. It gets another one whenever the counts could mislead: the disk
// refused to work, a file was damaged, the machine was booted since (what was not synced may be lost), or changes had to
// be dropped. Then what is left is counted from 1 again. The link sends a snapshot with every connection, so no state is
// ever lost, only the steps to it.
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../daemon/errors.ts';
import { Change, Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';
import type { Message, MessageLog } from './log.ts';
import { MemoryLog } from './memory-log.ts';
import { SegmentLog } from './segment-log.ts';
import { readSpoolId, type SpoolId, writeSpoolId } from './spool-id.ts';

/** Changes that wait beyond this many are given up: the next snapshot has what they led to. */
const mostChanges = 10_000;
const mostChangeBytes = 64 * 1024 * 1024;
/** Of what waits for the disk, or is kept in memory where that refuses to work. */
const mostWaitingBytes = { changes: 4 * 1024 * 1024, telemetry: 1024 * 1024 };
const longestSegment = 1024 * 1024;
/** Of one message to the broker: a stream buffers 16 of them. */
const readLimit = { messages: 64, bytes: 64 * 1024 };
const idRetryMs = 5_000;

export type LogName = 'changes' | 'telemetry';

/** What a {@link Spool} needs. */
export interface SpoolOptions {
  /** Where it lies; undefined: in memory alone. */
  readonly folder: string | undefined;
  /** How many bytes of telemetry it keeps. */
  readonly telemetryBytes: number;
  /** The machine's boot; empty where that is not known, which never counts as the same one. */
  readonly boot: string;
  /** Told what an operator should know; undefined: all is well again. */
  readonly trouble: (reason: string | undefined) => void;
  /** Told of damage that was found, and of what had to be given up. */
  readonly warning: (message: string) => void;
}

/** Changes and telemetry on their way to the broker. */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #listeners = new Set<() => void>();
  readonly #troubles = new Map<LogName | 'id', string>();
  #logs: Readonly<Record<LogName, MessageLog>>;
  #id: SpoolId;
  #idOnDisk = false;
  #droppedTold = 0;
  #opened = false;
  #idRetry: NodeJS.Timeout | undefined;

  private constructor(options: SpoolOptions) {
    this.#options = options;
    const heard = () => this.#announce();
    this.#logs = {
      changes: new MemoryLog(mostWaitingBytes.changes, heard),
      telemetry: new MemoryLog(Math.min(options.telemetryBytes, mostWaitingBytes.telemetry), heard),
    };
    const { boot } = options;
    this.#id = { id: randomUUID(), boot, changesBase: 0n, telemetryBase: 0n, droppedBefore: 0 };
  }

  /** Opens what is there. Never throws: without a usable disk it works in memory, within bounds. */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    if (options.folder !== undefined) await spool.#open(options.folder);
    spool.#opened = true;
    return spool;
  }

  get id(): string {
    return this.#id.id;
  }

  /** The sequence of the last change, as the broker counts. */
  get lastChange(): bigint {
    return this.#logs.changes.last - this.#id.changesBase;
  }

  /** The sequence of the last round of telemetry, as the broker counts. */
  get lastTelemetry(): bigint {
    return this.#logs.telemetry.last - this.#id.telemetryBase;
  }

  /** Rounds of telemetry that were dropped since the spool began. */
  get telemetryDropped(): number {
    return Math.max(0, this.#logs.telemetry.dropped - this.#id.droppedBefore);
  }

  /** The broker was told of these; the others are counted within the next spool too. */
  noteDroppedTold(dropped: number): void {
    this.#droppedTold = this.#id.droppedBefore + dropped;
  }

  /** Messages that the broker has not stored. */
  get waiting(): number {
    return waitingIn(this.#logs.changes) + waitingIn(this.#logs.telemetry);
  }

  bytes(log: LogName): number {
    return this.#logs[log].bytes;
  }

  /** Since the process began, and before as far as the disk tells. */
  dropped(log: LogName): number {
    return this.#logs[log].dropped;
  }

  /** Calls the listener when there may be more to send, or another id; returns the function that ends this. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addChange(change: Omit<Change, 'sequence'>): void {
    if (waitingIn(this.#logs.changes) >= mostChanges) this.#giveUpChanges();
    this.#logs.changes.append(Buffer.from(Change.encode({ ...change, sequence: 0n }).finish()));
  }

  addTelemetry(round: Omit<Telemetry, 'sequence'>): void {
    this.#logs.telemetry.append(Buffer.from(Telemetry.encode({ ...round, sequence: 0n }).finish()));
  }

  /** Changes behind one; the first is not the next where some are missing. */
  async changesAfter(after: bigint): Promise<Change[]> {
    const base = this.#id.changesBase;
    const messages = await this.#logs.changes.read(after + base, readLimit);
    return withoutGap(messages).map(({ sequence, payload }) => ({
      ...Change.decode(payload),
      sequence: sequence - base,
    }));
  }

  /** Rounds of telemetry behind one, so many at most. */
  async telemetryAfter(after: bigint, most: number): Promise<Telemetry[]> {
    const base = this.#id.telemetryBase;
    const limit = { ...readLimit, messages: Math.min(most, readLimit.messages) };
    const messages = await this.#logs.telemetry.read(after + base, limit);
    return messages.map(({ sequence, payload }) => ({ ...Telemetry.decode(payload), sequence: sequence - base }));
  }

  /** Notes what the broker has stored. */
  trim(stored: { readonly changeSequence: bigint; readonly telemetrySequence: bigint }): void {
    this.#logs.changes.trim(stored.changeSequence + this.#id.changesBase);
    this.#logs.telemetry.trim(stored.telemetrySequence + this.#id.telemetryBase);
  }

  /** Whether the broker's counts fit this spool: it must not have more than there is, nor miss what is kept no more. */
  fits(stored: { readonly changeSequence: bigint; readonly telemetrySequence: bigint }): boolean {
    const next = this.#logs.changes.first - this.#id.changesBase;
    return (
      stored.changeSequence <= this.lastChange &&
      stored.telemetrySequence <= this.lastTelemetry &&
      stored.changeSequence + 1n >= next
    );
  }

  /** Whether the change behind one is kept no more, though there was one. */
  misses(after: bigint): boolean {
    return this.#logs.changes.first - this.#id.changesBase > after + 1n;
  }

  /**
   * Takes another id and counts what is left from 1.
   *
   * @param firstChange the change that becomes the first, where those before it are missing
   */
  renew(firstChange?: bigint): void {
    const { changes, telemetry } = this.#logs;
    if (firstChange !== undefined) changes.trim(firstChange - 1n + this.#id.changesBase);
    this.#id = {
      id: randomUUID(),
      boot: this.#options.boot,
      changesBase: changes.first - 1n,
      telemetryBase: telemetry.first - 1n,
      droppedBefore: this.#droppedTold,
    };
    this.#idOnDisk = false;
    this.#keepId();
    this.#announce();
  }

  async close(): Promise<void> {
    clearTimeout(this.#idRetry);
    this.#listeners.clear();
    await Promise.all([this.#logs.changes.close(), this.#logs.telemetry.close()]);
  }

  async #open(folder: string): Promise<void> {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      this.#tell('id', messageOf(error));
    }
    const found = readSpoolId(join(folder, 'id'));
    const { telemetryBytes } = this.#options;
    const changes = await this.#openLog(folder, 'changes', mostChangeBytes);
    const telemetry = await this.#openLog(folder, 'telemetry', telemetryBytes);
    this.#logs = { changes, telemetry };
    this.#droppedTold = telemetry.dropped;
    const sameBoot = found?.boot === this.#options.boot && found.boot !== '';
    if (found && sameBoot && !changes.foundDamage && !telemetry.foundDamage) {
      this.#id = found;
      this.#idOnDisk = true;
    } else {
      this.renew();
    }
  }

  #openLog(folder: string, name: LogName, mostBytes: number): Promise<SegmentLog> {
    return SegmentLog.open({
      folder: join(folder, name),
      segmentBytes: Math.min(longestSegment, Math.ceil(mostBytes / 8)),
      mostBytes,
      mostWaitingBytes: mostWaitingBytes[name],
      sendable: () => this.#announce(),
      trouble: (reason) => this.#onTrouble(name, reason),
      damaged: this.#options.warning,
    });
  }

  /** From here on messages are sent that only memory has: under another id, which the disk does not have either. */
  #onTrouble(log: LogName, reason: string | undefined): void {
    this.#tell(log, reason);
    if (reason === undefined) this.#keepId();
    else if (this.#opened && this.#idOnDisk) this.renew();
  }

  #giveUpChanges(): void {
    const dropped = waitingIn(this.#logs.changes);
    this.#logs.changes.clear();
    this.#options.warning(
      `${dropped} changes waited for the broker, too many: it gets what they led to, not each step`,
    );
    this.renew();
  }

  /** Puts the id on disk, once both logs can be written. */
  #keepId(): void {
    const { folder, boot } = this.#options;
    if (folder === undefined || this.#idOnDisk || this.#troubles.has('changes') || this.#troubles.has('telemetry'))
      return;
    clearTimeout(this.#idRetry);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writeSpoolId(join(folder, 'id'), { ...this.#id, boot });
      this.#idOnDisk = true;
      this.#tell('id', undefined);
    } catch (error) {
      this.#tell('id', messageOf(error));
      this.#idRetry = setTimeout(() => this.#keepId(), idRetryMs).unref();
    }
  }

  #tell(what: LogName | 'id', reason: string | undefined): void {
    const before = [...this.#troubles.values()].join('; ');
    if (reason === undefined) this.#troubles.delete(what);
    else this.#troubles.set(what, reason);
    const now = [...this.#troubles.values()].join('; ');
    if (now !== before) this.#options.trouble(now || undefined);
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}

function waitingIn(log: MessageLog): number {
  return Number(log.last - log.first + 1n);
}

/** The messages up to the first that is missing. */
function withoutGap(messages: readonly Message[]): readonly Message[] {
  const gap = messages.findIndex(({ sequence }, i) => i > 0 && sequence !== (messages[i - 1]?.sequence ?? 0n) + 1n);
  return gap === -1 ? messages : messages.slice(0, gap);
}
