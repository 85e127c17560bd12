// The epochs of challenges: a seed that all challenges of a size share for a day, and what the verifier has prepared for
// it. Lives in the verifier's worker, which the secret vectors never leave.
import { EpochCheck } from '../../proof/epoch-check.ts';

/** Milliseconds. */
export const epochLength = 24 * 3_600_000;
/** A session lasts at most so long: for so long the epoch before is kept. */
export const longestSession = 15 * 60_000;

interface Epoch {
  readonly seed: Uint8Array;
  readonly check: EpochCheck;
  readonly began: number;
}

export interface EpochsOptions {
  /** A clock that only goes forward, in milliseconds. */
  readonly clock: () => number;
  /** Bytes that nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** Uniform 32-bit numbers that nobody can guess. */
  readonly random: () => number;
}

export class Epochs {
  readonly #options: EpochsOptions;
  /** Of each size, the newest last; at most two. */
  readonly #epochs = new Map<number, Epoch[]>();

  constructor(options: EpochsOptions) {
    this.#options = options;
  }

  /** The seed of the size's epoch. The first time in an epoch this takes about two nanoseconds for each element of B. */
  seed(size: number): Uint8Array {
    const now = this.#options.clock();
    const known = this.#epochs.get(size)?.at(-1);
    if (known && now - known.began < epochLength) return known.seed;
    const seed = this.#options.randomBytes(32);
    const check = EpochCheck.make(seed, size, this.#options.random);
    this.#epochs.set(size, [...(known ? [known] : []), { seed, check, began: now }]);
    return seed;
  }

  /** What was prepared; undefined for a seed of no epoch, or of one that is over for longer than any session lasts. */
  check(size: number, seed: Uint8Array): EpochCheck | undefined {
    const now = this.#options.clock();
    const epoch = this.#epochs.get(size)?.find((one) => Buffer.compare(one.seed, seed) === 0);
    return epoch && now - epoch.began < epochLength + longestSession ? epoch.check : undefined;
  }
}
