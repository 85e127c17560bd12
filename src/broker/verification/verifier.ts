// The broker's end of the verifier's thread: asks, and starts the thread anew when it has died.
//
//   none     the first question                    -- starts a thread                      -> running
//   running  the thread dies, or does not answer   -- all open questions fail              -> resting
//   resting  for a while that doubles; questions fail at once  -- then, by a question      -> running
//   closed   every question fails
//
// With its thread the epochs are gone: sessions of these end without a verdict, and it is nobody's fault.
import { Worker } from 'node:worker_threads';
import { Backoff } from '../../daemon/backoff.ts';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import type { Verdict } from '../../proof/verify.ts';
import type { Answer, Page, Question } from './judging.ts';

/** What has gone wrong is on the broker's side. */
export class VerifierFailed extends Error {
  override readonly name = 'VerifierFailed';
}

/** A verdict, and the seconds that its thread took for it. */
export interface Judged {
  readonly verdict: Verdict;
  readonly seconds: number;
}

export interface Verifier {
  /** The seed of the size's epoch; 32 bytes. @throws VerifierFailed */
  epochSeed(size: number): Promise<Uint8Array>;
  /** Judges a page; its openings are handed over and are empty afterwards. @throws VerifierFailed */
  judge(page: Page): Promise<Judged>;
  close(): Promise<void>;
}

export interface VerifierOptions {
  readonly log: Log;
  /** From 0 to 1, as Math.random. */
  readonly random: () => number;
  /** The thread, unless a test has another. */
  readonly entry?: URL;
  /** Milliseconds that one question may wait. */
  readonly deadline?: number;
}

/** Questions that wait; a page has up to 4 MiB. */
const mostQuestions = 64;
/** The first question of an epoch takes seconds at the largest size. */
const deadlineOfQuestion = 120_000;
const restBounds = { first: 200, longest: 30_000 };
/** A thread that has lived so long begins with short rests again; milliseconds. */
const longLife = 60_000;

const entryPoint = new URL(
  import.meta.url.endsWith('.ts') ? './verifier-worker.ts' : './verifier-worker.js',
  import.meta.url,
);

/** Makes it; the thread starts with the first question. */
export function createVerifier(options: VerifierOptions): Verifier {
  return new ThreadVerifier(options);
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (why: VerifierFailed) => void;
  readonly timer: NodeJS.Timeout;
}

type Asked = Question extends infer One ? (One extends Question ? Omit<One, 'id'> : never) : never;

class ThreadVerifier implements Verifier {
  readonly #options: VerifierOptions;
  readonly #backoff: Backoff;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #startedAt = 0;
  #restUntil = 0;
  #lastId = 0;
  #closed = false;

  constructor(options: VerifierOptions) {
    this.#options = options;
    this.#backoff = new Backoff(restBounds, options.random);
  }

  async epochSeed(size: number): Promise<Uint8Array> {
    const answer = await this.#ask({ size });
    if ('seed' in answer) return answer.seed;
    throw unexpected(answer);
  }

  async judge(page: Page): Promise<Judged> {
    const openings = ownBytes(page.openings);
    const answer = await this.#ask({ page: { ...page, openings } }, [openings.buffer]);
    if ('verdict' in answer) return { verdict: answer.verdict, seconds: answer.seconds };
    throw unexpected(answer);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#end(worker, 'the broker stops');
    await worker?.terminate();
  }

  #ask(asked: Asked, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    const id = ++this.#lastId;
    return new Promise<Answer>((resolve, reject) => {
      const worker = this.#running();
      if (typeof worker === 'string') return reject(new VerifierFailed(worker));
      if (this.#waiting.size >= mostQuestions) {
        return reject(new VerifierFailed(`the verifier has ${mostQuestions} questions to answer already`));
      }
      const { deadline = deadlineOfQuestion } = this.#options;
      const timer = setTimeout(() => this.#end(worker, `no answer within ${deadline / 1000} s`), deadline);
      this.#waiting.set(id, { resolve, reject, timer });
      worker.postMessage({ id, ...asked }, [...transfer]);
    });
  }

  /** The thread, or why there is none. */
  #running(): Worker | string {
    if (this.#closed) return 'the broker stops';
    if (this.#worker) return this.#worker;
    const now = performance.now();
    if (now < this.#restUntil) return 'the verifier has ended and starts again soon';
    const worker = new Worker(this.#options.entry ?? entryPoint, { name: 'verifier', stdin: false });
    worker.unref();
    worker.on('message', (answer: Answer) => this.#take(answer));
    worker.on('error', (error) => this.#end(worker, messageOf(error)));
    worker.on('exit', (code) => this.#end(worker, `it ended with code ${code}`));
    this.#worker = worker;
    this.#startedAt = now;
    return worker;
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (!waiting) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }

  /** The thread is of no more use. */
  #end(worker: Worker | undefined, reason: string): void {
    if (!worker || this.#worker !== worker) return;
    this.#worker = undefined;
    void worker.terminate();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new VerifierFailed(`the verifier has ended: ${reason}`));
    }
    this.#waiting.clear();
    if (this.#closed) return;
    const now = performance.now();
    if (now - this.#startedAt > longLife) this.#backoff.reset();
    const rest = this.#backoff.next();
    this.#restUntil = now + rest;
    this.#options.log.error({ reason, restMs: rest }, 'the verifier of proofs has ended: it starts again');
  }
}

/** Bytes that may be handed to another thread: what shares its buffer with others is copied. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  const isOwn = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return isOwn ? new Uint8Array(buffer) : new Uint8Array(bytes);
}

function unexpected(answer: Answer): VerifierFailed {
  return new VerifierFailed('failed' in answer ? answer.failed : 'the verifier answered something else');
}
