// What a verifier prepares once an epoch: a secret vector r, and B·r. With them a row of a product is checked in time
// that grows with its length and not with the whole of B (Freivalds 1977): a·B = c implies a·(B·r) = c·r, and where
// a·B ≠ c the two sides differ for all but one in p choices of r.
//
// Whoever knows r can make wrong rows that pass: it leaves this class by no way.
import { checkWork } from './challenge.ts';
import { fillRow, keyOfB } from './generator.ts';
import { below } from './uniform.ts';

/** The largest prime below 2²⁶: a product of two residues, 2,048 times over, is exact in a double. */
export const modulus = 67_108_859;
/** So many products of two residues are added before they are reduced. */
const terms = 1_024;

export class EpochCheck {
  readonly #r: Float64Array;
  readonly #br: Float64Array;

  private constructor(r: Float64Array, br: Float64Array) {
    this.#r = r;
    this.#br = br;
  }

  /**
   * Takes about two nanoseconds for each element of B on one core: to be made in a worker.
   *
   * @param size of the matrices
   * @param random a source of uniform 32-bit numbers that nobody can guess
   */
  static make(epochSeed: Uint8Array, size: number, random: () => number): EpochCheck {
    checkWork({ epochSeed, size, rounds: 1 });
    const r = Float64Array.from({ length: size }, () => below(modulus, random));
    const br = new Float64Array(size);
    const key = keyOfB({ epochSeed });
    const row = new Int8Array(size);
    for (let index = 0; index < size; index++) {
      fillRow(key, index, row);
      br[index] = dot(row, r);
    }
    return new EpochCheck(r, br);
  }

  get size(): number {
    return this.#r.length;
  }

  /** Whether a·B = c, with an error of at most one in {@link modulus} for those who do not know the vector. */
  holds(a: Int8Array, c: Int32Array): boolean {
    return a.length === this.size && c.length === this.size && dot(a, this.#br) === wideDot(c, this.#r);
  }
}

/** Of bytes and residues: exact without a reduction up to 2²⁰ of them. */
function dot(bytes: Int8Array, residues: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index++) sum += (bytes[index] as number) * (residues[index] as number);
  return reduced(sum);
}

/** Of 32-bit integers and residues. */
function wideDot(values: Int32Array, residues: Float64Array): number {
  let high = 0;
  let low = 0;
  for (let start = 0; start < values.length; start += terms) {
    const end = Math.min(start + terms, values.length);
    for (let index = start; index < end; index++) {
      const value = values[index] as number;
      const by = residues[index] as number;
      high += (value >> 16) * by;
      low += (value & 0xffff) * by;
    }
    high %= modulus;
    low %= modulus;
  }
  return reduced(reduced(high) * 65_536 + low);
}

function reduced(value: number): number {
  const rest = value % modulus;
  // Adding 0 makes the zero of a negative number the ordinary one.
  return rest < 0 ? rest + modulus : rest + 0;
}
