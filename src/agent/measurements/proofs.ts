// The node's answers to the broker's proof challenges: sessions in which GPUs of the node work at the same moment. Those
// of one session have work of one size, so a node of several models has several. docs/proof-of-gpu.md has the steps.
import type { Log } from '../../daemon/logger.ts';
import { longestSession } from '../../proof/challenge.ts';
import type { OpenedRow, Opening } from '../../proof/verify.ts';
import type { NotMeasured } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { Challenge, ChallengeResult } from '../../wire/gpubroker/node/v1/node_link.ts';
import {
  ProofCommitted,
  ProofOpened,
  ProofOpenings,
  type ProofPrepare,
  ProofReady,
  type ProofRow,
} from '../../wire/gpubroker/node/v1/proof.ts';
import { startMeasuring } from '../verification/measuring.ts';
import type { Work } from '../verification/proof.ts';
import { type FreeGpus, NotFree } from './contract.ts';
import { type AskedStep, ProofRefused, readBegin, readOpen, readPrepare, readRows, readStep } from './proof-steps.ts';
import { ProvingGpu, refusalOf } from './proving-gpu.ts';

/** At the same time: more than a node has models. */
const mostSessions = 8;

export interface ProofsOptions {
  readonly free: FreeGpus;
  readonly log: Log;
  /** How a measuring process is started. */
  readonly start?: typeof startMeasuring;
}

/** Answers challenges for as long as the agent runs. */
export class Proofs {
  readonly #options: ProofsOptions;
  readonly #sessions = new Map<string, Session>();

  constructor(options: ProofsOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong is the reason of the refusal. */
  async answer(challenge: Challenge): Promise<Omit<ChallengeResult, 'id'>> {
    try {
      return { payload: Buffer.from(await this.#step(readStep(challenge))), refused: '' };
    } catch (error) {
      const refusal = refusalOf(error);
      const { log } = this.#options;
      if (error === refusal) log.info({ challenge: challenge.id, refused: refusal.message }, 'a challenge is refused');
      else log.error({ challenge: challenge.id, err: error }, 'a challenge could not be worked on');
      return { payload: Buffer.alloc(0), refused: refusal.message };
    }
  }

  /** Ends every session; resolves when their GPUs are given back, or soon after where one cannot be. */
  async end(why: string): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.end(new ProofRefused('ended', why))));
  }

  async #step({ session, gpus, request }: AskedStep): Promise<Uint8Array> {
    const { prepare, begin, open, rows } = request;
    const [name = ''] = gpus;
    if (prepare) return this.#prepare(session, gpus, prepare);
    if (begin) {
      const { root, micros } = await this.#find(session, name).gpu.begin(readBegin(name, begin));
      return ProofCommitted.encode({ root: Buffer.from(root), deviceMicros: BigInt(micros) }).finish();
    }
    if (open) {
      const { work, gpu } = this.#find(session, name);
      return ProofOpened.encode({ conditions: await gpu.open(readOpen(work, open)) }).finish();
    }
    if (rows) {
      const { work, gpu } = this.#find(session, name);
      const openings = await gpu.rows((opened) => readRows(work, opened, rows));
      return ProofOpenings.encode({ openings: openings.map(toOpening) }).finish();
    }
    return this.#finish(session);
  }

  async #prepare(id: string, gpus: readonly string[], asked: ProofPrepare): Promise<Uint8Array> {
    const { work, millis } = readPrepare(asked);
    if (this.#sessions.has(id)) throw new ProofRefused('busy', 'session: the one of this id is not over');
    if (this.#sessions.size >= mostSessions) {
      throw new ProofRefused('busy', `session: ${mostSessions} are not over; so many are allowed`);
    }
    const session = new Session(id, work, Math.min(millis, longestSession), this.#options);
    this.#sessions.set(id, session);
    session.over.then(() => this.#sessions.delete(id));
    const refusals = await session.prepare(gpus);
    return ProofReady.encode({ refusals }).finish();
  }

  /** One that is over, or never was, needs nothing more. */
  async #finish(id: string): Promise<Uint8Array> {
    await this.#sessions.get(id)?.end(new ProofRefused('ended', 'the broker has ended the session'));
    return new Uint8Array();
  }

  #find(id: string, name: string): { work: Work; gpu: ProvingGpu } {
    const session = this.#sessions.get(id);
    if (session) return { work: session.work, gpu: session.gpu(name) };
    throw new ProofRefused('unknown', `session: there is none of the id ${JSON.stringify(id)}`);
  }
}

/** The GPUs that prove themselves together. */
class Session {
  readonly id: string;
  readonly work: Work;
  /** Resolves when everything that the session had is given back. */
  readonly over: Promise<void>;
  readonly #options: ProofsOptions;
  readonly #millis: number;
  readonly #gpus = new Map<string, ProvingGpu>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #timer: NodeJS.Timeout;
  #preparing: Promise<unknown> = Promise.resolve();
  #why: ProofRefused | undefined;

  constructor(id: string, work: Work, millis: number, options: ProofsOptions) {
    this.id = id;
    this.work = work;
    this.#millis = millis;
    this.#options = options;
    this.over = this.#ended.promise.then(() => this.#giveBack());
    const late = () => this.end(new ProofRefused('ended', `the session has had its ${millis} ms`));
    this.#timer = setTimeout(late, millis).unref();
  }

  /** All at once. Resolves with those that are not ready, when all others are. */
  async prepare(gpus: readonly string[]): Promise<NotMeasured[]> {
    const preparing = Promise.all(gpus.map((gpu) => this.#prepare(gpu)));
    this.#preparing = preparing;
    const refusals = (await preparing).filter((refusal) => refusal !== undefined);
    if (this.#why) throw this.#why;
    const { size, rounds } = this.work;
    this.#options.log.info({ session: this.id, size, rounds, gpus, refusals }, 'GPUs are ready for a proof');
    if (refusals.length === gpus.length) await this.end(new ProofRefused('ended', 'no GPU was ready'));
    return refusals;
  }

  gpu(name: string): ProvingGpu {
    if (this.#why) throw this.#why;
    const gpu = this.#gpus.get(name);
    if (gpu) return gpu;
    throw new ProofRefused('unknown', `gpus: ${JSON.stringify(name)} is not in the session`);
  }

  end(why: ProofRefused): Promise<void> {
    if (!this.#why) {
      this.#why = why;
      clearTimeout(this.#timer);
      this.#options.log.info({ session: this.id, why: why.message }, 'a session of proofs is over');
      for (const gpu of this.#gpus.values()) gpu.end(why);
      this.#ended.resolve();
    }
    return this.over;
  }

  async #prepare(gpu: string): Promise<NotMeasured | undefined> {
    try {
      const { free, start = startMeasuring } = this.#options;
      const taken = await free.take(gpu);
      if (this.#why) {
        taken.release();
        throw this.#why;
      }
      const measuring = start({ kind: 'prove', device: taken.device, work: this.work }, this.#millis);
      const proving = new ProvingGpu(taken, measuring);
      this.#gpus.set(gpu, proving);
      await proving.ready();
      return undefined;
    } catch (error) {
      const refusal = refusalOf(error);
      const isForeseen = error === refusal || error instanceof NotFree;
      if (!isForeseen) this.#options.log.error({ gpu, err: error }, 'a GPU could not be taken for a proof');
      return { gpu, reason: refusal.reason, message: refusal.why };
    }
  }

  /** One that is being taken is given back when it is there. */
  async #giveBack(): Promise<void> {
    await this.#preparing;
    await Promise.all([...this.#gpus.values()].map(({ ended }) => ended));
  }
}

function toOpening({ product, before }: Opening) {
  return { product: toRow(product), before: before && toRow(before) };
}

/** Little-endian, as every machine is that Node.js runs GPUs on. */
function toRow({ row, path }: OpenedRow): ProofRow {
  return { row: Buffer.from(row.buffer, row.byteOffset, row.byteLength), path: Buffer.concat(path) };
}
