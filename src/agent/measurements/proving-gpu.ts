// One GPU in a session of proofs: its measuring process, from step to step.
//
//   preparing   memory and kernels are made ready            -- they are -> ready
//   ready       the clock may start                          -- begin    -> committing
//   committing  the device works                             -- its root -> committed
//   committed   rows may be asked for                        -- open     -> opening
//   opening     they are computed once more                  -- they are -> opened
//   opened      some of them are sent at a time
//   over        the GPU was lost, the process failed, or the session ended: from every state; the process is killed,
//               and the GPU given back once it is gone
import type { Place } from '../../proof/challenge.ts';
import type { RunConditions } from '../../wire/gpubroker/device/v1/measurement.ts';
import type { ProofRows } from '../../wire/gpubroker/node/v1/proof.ts';
import { ComputeError, isSameDevice } from '../verification/compute.ts';
import type { Measuring } from '../verification/measuring.ts';
import type { ProofStep, Report } from '../verification/orders.ts';
import type { Start } from '../verification/proof.ts';
import { NotFree, type TakenGpu } from './contract.ts';
import { ProofRefused } from './proof-steps.ts';

type State = 'preparing' | 'ready' | 'committing' | 'committed' | 'opening' | 'opened';
type Answer<Kind extends Report['kind']> = Extract<Report, { kind: Kind }>;

/** The answer that is awaited; one at a time. */
interface Waiting {
  readonly kind: Report['kind'];
  readonly resolve: (report: Report) => void;
  readonly reject: (why: ProofRefused) => void;
}

/** A GPU that proves itself. Every step throws ProofRefused (as a rejection) where it is not done. */
export class ProvingGpu {
  /** Resolves when the process is gone, or given up, and the GPU given back. */
  readonly ended: Promise<void>;
  readonly #measuring: Measuring;
  #state: State = 'preparing';
  #over: ProofRefused | undefined;
  #waiting: Waiting | undefined;
  #opened = 0;
  readonly #taken: TakenGpu;
  /** Ends the watch that there is. */
  #unwatch: ReturnType<TakenGpu['watch']> | undefined;

  /** @param measuring a process that has been ordered to prove, on the GPU that was taken */
  constructor(taken: TakenGpu, measuring: Measuring) {
    this.#measuring = measuring;
    this.#taken = taken;
    const { lost } = taken;
    const lose = () => this.end(refusalOf(lost.reason));
    if (lost.aborted) lose();
    else lost.addEventListener('abort', lose, { once: true });
    this.ended = this.#listen().finally(() => {
      lost.removeEventListener('abort', lose);
      taken.release();
    });
  }

  /** Resolves when the clock may start. */
  async ready(): Promise<void> {
    await this.#answer('ready');
    this.#state = 'ready';
  }

  /** Does the work. */
  async begin(start: Start): Promise<Answer<'committed'>> {
    this.#require('ready', 'begin comes once, when the GPU is ready');
    this.#state = 'committing';
    this.#unwatch = this.#taken.watch();
    const committed = await this.#ask({ kind: 'begin', start }, 'committed');
    this.#state = 'committed';
    return committed;
  }

  /** Computes rows once more, and keeps them in the process. Resolves with how the GPU was since the work began. */
  async open(places: readonly Place[]): Promise<RunConditions | undefined> {
    this.#require('committed', 'open comes once, after the commitment');
    this.#state = 'opening';
    await this.#ask({ kind: 'open', places }, 'opened');
    this.#state = 'opened';
    this.#opened = places.length;
    return this.#watched();
  }

  /** @param choose says which of so many rows that were opened */
  async rows(choose: (opened: number) => ProofRows): Promise<Answer<'openings'>['openings']> {
    this.#require('opened', 'rows come after open');
    return (await this.#ask({ kind: 'rows', ...choose(this.#opened) }, 'openings')).openings;
  }

  /** Kills the process; what is awaited is refused at once. */
  end(why: ProofRefused): void {
    this.#over ??= why;
    this.#waiting?.reject(this.#over);
    this.#waiting = undefined;
    this.#watched();
    this.#measuring.stop();
  }

  /** How the GPU was; the second time nothing is known. */
  #watched(): RunConditions | undefined {
    const unwatch = this.#unwatch;
    this.#unwatch = undefined;
    return unwatch?.();
  }

  #require(state: State, rule: string): void {
    if (this.#over) throw this.#over;
    if (this.#waiting) throw new ProofRefused('busy', 'the GPU is at another step');
    if (this.#state !== state) throw new ProofRefused('invalid', `step: ${rule}`);
  }

  #ask<Kind extends Report['kind']>(step: ProofStep, kind: Kind): Promise<Answer<Kind>> {
    const answer = this.#answer(kind);
    this.#measuring.say(step);
    return answer;
  }

  #answer<Kind extends Report['kind']>(kind: Kind): Promise<Answer<Kind>> {
    if (this.#over) return Promise.reject(this.#over);
    return new Promise((resolve, reject) => {
      this.#waiting = { kind, resolve: (report) => resolve(report as Answer<Kind>), reject };
    });
  }

  async #listen(): Promise<void> {
    try {
      for await (const report of this.#measuring) this.#take(report);
      this.end(new ProofRefused('failed', 'the measuring process ended by itself'));
    } catch (error) {
      this.end(refusalOf(error));
    }
    await this.#measuring.ended;
  }

  #take(report: Report): void {
    if (report.kind === 'started' && !isSameDevice(report.info, this.#taken.info)) {
      this.end(new ProofRefused('failed', `the device is ${report.info.name} now`));
    }
    const waiting = this.#waiting;
    if (waiting?.kind !== report.kind) return;
    this.#waiting = undefined;
    waiting.resolve(report);
  }
}

/** A failure as the broker is told it. */
export function refusalOf(error: unknown): ProofRefused {
  if (error instanceof ProofRefused) return error;
  if (error instanceof NotFree) return new ProofRefused(error.reason, error.message);
  if (!(error instanceof ComputeError))
    return new ProofRefused('failed', 'the agent made a mistake; its log says which');
  if (error.fault === 'busy') return new ProofRefused('busy', error.message);
  const isMissing = error.fault === 'absent' || error.fault === 'unsupported';
  return new ProofRefused(isMissing ? 'unsupported' : 'failed', error.message);
}
