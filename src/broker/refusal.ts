// Why the broker does not do what it was asked: one kind of error for people, over HTTP as over gRPC.

/** What went wrong, from the caller's point of view; HTTP and gRPC each have a status for it. */
export type RefusalKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  /** The account has not got the money. */
  | 'payment'
  | 'too-large'
  | 'too-many'
  | 'unavailable';

/** What a caller can do about it. */
export interface RefusalDetails {
  /** Where in the request: `body.name`, `query.limit`. */
  readonly field?: string | undefined;
  readonly value?: unknown;
  /** What may be given instead. */
  readonly allowed?: string | undefined;
  /** Seconds after which it may be tried again. */
  readonly retryAfter?: number | undefined;
}

/** A request that is refused. It has no stack trace: its text says enough. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly kind: RefusalKind;
  /** Stable, `GPUB_…`; documented, and safe to match on. */
  readonly code: `GPUB_${string}`;
  readonly details: RefusalDetails;

  constructor(kind: RefusalKind, code: `GPUB_${string}`, message: string, details: RefusalDetails = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.details = details;
    delete this.stack;
  }
}

/** Also where it exists and belongs to somebody else: that is nobody's business. */
export function notFound(what: string, id: string): Refusal {
  return new Refusal('not-found', 'GPUB_NOT_FOUND', `there is no ${what} ${id}`);
}

/** A value that its field does not allow. */
export function invalid(field: string, value: unknown, allowed: string): Refusal {
  const message = `${field}: ${JSON.stringify(value)} is not allowed: give ${allowed}`;
  return new Refusal('invalid', 'GPUB_INVALID', message, { field, value, allowed });
}
