// Why the cache refuses a request. The message names the field, the value and what is allowed.

/** The classes of refusal; the gRPC code of each stands in `rpc.ts`. */
export type Refusal =
  | 'invalid-argument'
  | 'not-found'
  /** The expected version is not the current one. */
  | 'conflict'
  /** The state of the GPU forbids it: another provider's condition, or a GPU that the agent still sees. */
  | 'failed-precondition'
  /** The version to watch from is too old or from the future. */
  | 'out-of-range'
  /** A limit of `limits.ts` is reached. */
  | 'exhausted'
  | 'forbidden';

/** Thrown for every request that the cache refuses; nothing has changed then. */
export class CacheError extends Error {
  override readonly name = 'CacheError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}

/** An `invalid-argument` error that names the field, the value (cut short) and what is allowed. */
export function invalidField(field: string, value: unknown, allowed: string): CacheError {
  return new CacheError('invalid-argument', `${field}: ${quoted(value)} is not allowed; ${allowed}`);
}

/** A value that a client sent as a message shows it: on one line, cut short, never inside a character. */
export function quoted(value: unknown): string {
  const whole = JSON.stringify(typeof value === 'bigint' ? value.toString() : value) ?? 'missing';
  return whole.length > 80 ? `${whole.slice(0, 79).toWellFormed()}…` : whole;
}
