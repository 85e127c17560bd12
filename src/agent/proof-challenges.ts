// The broker's challenges on their way from the link to whatever works on them, which is loaded with the first of them:
// an idle agent is to be small.
import type { LinkState } from '../broker-client/link.ts';
import { messageOf } from '../daemon/errors.ts';
import type { Log } from '../daemon/logger.ts';
import type { Challenge, ChallengeResult } from '../wire/gpubroker/node/v1/node_link.ts';
import type { MeasurementsAccess } from './measurements/contract.ts';
import type { Proofs } from './measurements/proofs.ts';

type Answer = Omit<ChallengeResult, 'id'>;

/** What a session of proofs ends with: its stream, and the agent. */
export class ProofChallenges {
  readonly #access: Pick<MeasurementsAccess, 'freeGpus'>;
  readonly #log: Log;
  #loaded: Promise<Proofs> | undefined;
  /** How many streams have ended. */
  #streams = 0;

  constructor(access: Pick<MeasurementsAccess, 'freeGpus'>, log: Log) {
    this.#access = access;
    this.#log = log;
  }

  /** Works on a challenge; never rejects. */
  async answer(challenge: Challenge): Promise<Answer> {
    const stream = this.#streams;
    try {
      this.#loaded ??= this.#load();
      const proofs = await this.#loaded;
      if (stream !== this.#streams) return refused('ended: the stream of the challenge has ended');
      return await proofs.answer(challenge);
    } catch (error) {
      this.#loaded = undefined;
      this.#log.error({ err: error }, 'challenges cannot be worked on');
      return refused(`failed: ${messageOf(error)}`);
    }
  }

  /** To be called with every change of the link: nobody else can go on with a session whose stream has ended. */
  linkChanged({ phase }: Pick<LinkState, 'phase'>): void {
    if (phase !== 'streaming') this.#end('the stream to the broker has ended');
  }

  /** Waits for nothing: processes that can be killed are, and for others waiting would be in vain. */
  stop(): void {
    this.#end('the agent stops');
  }

  async #load(): Promise<Proofs> {
    const [{ Proofs }, free] = await Promise.all([import('./measurements/proofs.ts'), this.#access.freeGpus()]);
    return new Proofs({ free, log: this.#log });
  }

  #end(why: string): void {
    this.#streams += 1;
    void this.#loaded?.then((proofs) => proofs.end(why)).catch(() => undefined);
  }
}

function refused(why: string): Answer {
  return { payload: Buffer.alloc(0), refused: why };
}
