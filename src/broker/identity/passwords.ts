// Passwords: hashed with scrypt, few at a time, and checked in the same time whether the user exists or not.
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Refusal } from '../refusal.ts';

/** What a hash costs: 2^log2N × r × 128 bytes of memory, and time in proportion. */
export interface PasswordCost {
  readonly log2N: number;
  readonly r: number;
  readonly p: number;
}

/** OWASP's recommendation for scrypt: 128 MiB and some 0.3 s a hash. */
const usualCost: PasswordCost = { log2N: 17, r: 8, p: 1 };
/** Each takes 128 MiB while it runs. */
const maxRunning = 2;
/** Waiting; with more the wait would be over the time that a client waits. */
const maxWaiting = 32;
const saltBytes = 16;
const hashBytes = 32;
const stored = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w+/]+={0,2})\$([\w+/]+={0,2})$/;

/** What a check found; `rehash` says that the hash is of another cost than is usual now. */
export interface PasswordCheck {
  readonly good: boolean;
  readonly rehash: boolean;
}

/** Hashes and checks passwords. */
export class Passwords {
  readonly #cost: PasswordCost;
  readonly #dummy: string;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(cost: PasswordCost = usualCost) {
    this.#cost = cost;
    // Of no password: what is checked for users that do not exist.
    this.#dummy = write(cost, randomBytes(saltBytes), randomBytes(hashBytes));
  }

  /**
   * A hash to store, in the way of PHC strings: `$scrypt$ln=17,r=8,p=1$salt$hash`.
   * @throws Refusal unavailable when too many wait.
   */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(saltBytes);
    return write(this.#cost, salt, await this.#derive(password, salt, this.#cost, hashBytes));
  }

  /**
   * Whether a password is the one of the stored hash. Without a hash it is not, after the same time.
   * @throws Refusal unavailable when too many wait.
   */
  async check(password: string, hash: string | null | undefined): Promise<PasswordCheck> {
    const [, ln, r, p, salt = '', expected = ''] = stored.exec(hash ?? this.#dummy) ?? [];
    const cost = { log2N: Number(ln), r: Number(r), p: Number(p) };
    const wanted = Buffer.from(expected, 'base64');
    if (wanted.length === 0) throw new Error('a stored password hash cannot be read');
    const derived = await this.#derive(password, Buffer.from(salt, 'base64'), cost, wanted.length);
    const good = timingSafeEqual(derived, wanted) && hash != null;
    return { good, rehash: good && (['log2N', 'r', 'p'] as const).some((name) => cost[name] !== this.#cost[name]) };
  }

  async #derive(password: string, salt: Buffer, { log2N, r, p }: PasswordCost, length: number): Promise<Buffer> {
    if (this.#running >= maxRunning) await this.#wait();
    else this.#running++;
    try {
      const N = 2 ** log2N;
      const options = { N, r, p, maxmem: 128 * N * r + 128 * r * p + 1024 * 1024 };
      return await new Promise((resolve, reject) => {
        // Two ways to type the same character are one password.
        scrypt(password.normalize('NFC'), salt, length, options, (error, key) =>
          error ? reject(error) : resolve(key),
        );
      });
    } finally {
      // The place goes to who waited longest.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= maxWaiting) {
      const text = 'too many sign in at this moment; try again';
      throw new Refusal('unavailable', 'GPUB_UNAVAILABLE', text, { retryAfter: 5 });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function write({ log2N, r, p }: PasswordCost, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${log2N},r=${r},p=${p}$${salt.toString('base64')}$${hash.toString('base64')}`;
}
