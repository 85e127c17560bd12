// What a caller gets for a request that did not succeed.

/** The broker refused the request, or failed at it: its answer as RFC 9457 has it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  /** HTTP status. */
  readonly status: number;
  /** `GPUB_…`; empty where something else than the broker answered. */
  readonly code: string;
  /** Where in the request, for instance `body.name`. */
  readonly field: string | undefined;
  /** What may be given there. */
  readonly allowed: string | undefined;
  /** Seconds after which it may be tried again. */
  readonly retryAfter: number | undefined;
  /** To be named when asking the operator. */
  readonly requestId: string | undefined;

  constructor(status: number, body: Record<string, unknown>, retryAfter: number | undefined) {
    super(textOf(body.detail) ?? textOf(body.title) ?? `HTTP status ${status}`);
    this.status = status;
    this.code = textOf(body.code) ?? '';
    this.field = textOf(body.field);
    this.allowed = textOf(body.allowed);
    this.retryAfter = retryAfter;
    this.requestId = textOf(body.request_id);
  }
}

/** The broker did not answer, or not in time. */
export class BrokerUnreachable extends Error {
  override readonly name = 'BrokerUnreachable';
  readonly url: string;

  constructor(url: string, reason: string, cause: unknown) {
    super(`no answer from ${url}: ${reason}`, { cause });
    this.url = url;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Why fetch failed: it hides the reason in the cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause instanceof Error ? error.cause.message : error.message;
}
