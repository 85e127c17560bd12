// What a challenge of a GPU asks for, and the limits within which both sides agree to work.

/** The kind of challenge, as broker and nodes call it. */
export const proofKind = 'proof-of-gpu/1';
/** What a session of proofs takes at most, in milliseconds. */
export const longestSession = 600_000;
/** Bytes of every seed and digest. */
export const digestSize = 32;

/** The work that one GPU is asked to do, and that only this GPU at this moment can be asked for. */
export interface Challenge {
  /** Unique for ever: a UUID. */
  readonly id: string;
  /** The GPU that is to answer, by its name on its node. */
  readonly gpu: string;
  /** Of matrix B, the same for all challenges of an epoch: {@link digestSize} random bytes. */
  readonly epochSeed: Uint8Array;
  /** Of matrix A, never used before: {@link digestSize} random bytes. */
  readonly seed: Uint8Array;
  /** Rows and columns of every matrix. */
  readonly size: number;
  /** How many products are computed, each from the one before. */
  readonly rounds: number;
}

/** A row of a product: that of which round, and which of its rows. Both count from 0. */
export interface Place {
  readonly round: number;
  readonly row: number;
}

/**
 * What a challenge may ask for. The size is a multiple of the tiles that kernels work in, and so small that no element
 * of a product leaves 31 bits: size × 128 × 128 < 2³¹.
 */
export const limits = {
  size: { least: 128, most: 65_536, step: 128 },
  rounds: { least: 1, most: 1_024 },
  places: { least: 1, most: 4_096 },
  /** Of the rows of all places, without their ways to the root. */
  openedBytes: 512 * 2 ** 20,
} as const;

/**
 * Checks what of a challenge is known before its clock starts.
 *
 * @throws RangeError that names the field, its value and what is allowed
 */
export function checkWork({ epochSeed, size, rounds }: Pick<Challenge, 'epochSeed' | 'size' | 'rounds'>): void {
  const { least, most, step } = limits.size;
  if (!isWhole(size, limits.size) || size % step !== 0) {
    throw new RangeError(`size: ${size} is not allowed; a multiple of ${step} from ${least} to ${most} is`);
  }
  if (!isWhole(rounds, limits.rounds)) {
    throw new RangeError(`rounds: ${rounds} is not allowed; ${limits.rounds.least} to ${limits.rounds.most} are`);
  }
  checkSeed('epochSeed', epochSeed);
}

/**
 * Checks a challenge, wherever it came from.
 *
 * @throws RangeError that names the field, its value and what is allowed
 */
export function checkChallenge(challenge: Challenge): void {
  const { id, gpu, seed } = challenge;
  checkWork(challenge);
  checkSeed('seed', seed);
  for (const [name, text] of Object.entries({ id, gpu })) {
    if (text === '' || text.length > 128) throw new RangeError(`${name}: 1 to 128 characters are allowed`);
  }
}

/**
 * Checks the places that are to be opened, wherever they came from.
 *
 * @throws RangeError that names the field, its value and what is allowed
 */
export function checkPlaces({ size, rounds }: Pick<Challenge, 'size' | 'rounds'>, places: readonly Place[]): void {
  const { least } = limits.places;
  // A place opens its row and the one before.
  const most = Math.min(limits.places.most, Math.floor(limits.openedBytes / (2 * size * 4)));
  if (places.length < least || places.length > most) {
    throw new RangeError(`places: ${places.length} are not allowed; ${least} to ${most} are`);
  }
  for (const { round, row } of places) {
    if (!isWhole(round, { least: 0, most: rounds - 1 })) {
      throw new RangeError(`round: ${round} is not allowed; 0 to ${rounds - 1} are`);
    }
    if (!isWhole(row, { least: 0, most: size - 1 })) {
      throw new RangeError(`row: ${row} is not allowed; 0 to ${size - 1} are`);
    }
  }
}

function checkSeed(name: string, bytes: Uint8Array): void {
  if (bytes.length !== digestSize) throw new RangeError(`${name}: ${bytes.length} bytes; ${digestSize} are allowed`);
}

function isWhole(value: number, { least, most }: { readonly least: number; readonly most: number }): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
