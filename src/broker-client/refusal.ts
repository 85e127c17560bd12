// What an error of a call to the broker means for the node: to try again soon, to try again rarely, or to give up.
import { type ServiceError, status } from '@grpc/grpc-js';

/** `lasting`: the same will be said again, unless somebody changes something at the broker. */
export type Verdict = 'passing' | 'lasting';

/** The broker has understood what was asked, and refuses it. */
const refusals: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNAUTHENTICATED,
]);

/**
 * What refuses a node that has joined: its credential is good no more, it was sent away, or what it sends is not
 * understood, which will be sent again. Others (another stream of this node, a broker that stops) pass.
 */
const dismissals: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.UNAUTHENTICATED,
]);

export function judgeEnroll({ code }: Pick<ServiceError, 'code'>): Verdict {
  return refusals.has(code) ? 'lasting' : 'passing';
}

export function judgeConnect({ code }: Pick<ServiceError, 'code'>): Verdict {
  return dismissals.has(code) ? 'lasting' : 'passing';
}

/** The key of the trailing metadata under which the broker's `GPUB_…` code stands. */
const codeKey = 'gpubroker-code';

/** What the broker, or the connection, said; without what only a terminal or a log reader would trip over. */
export function saidBy({ code, details, metadata }: Pick<ServiceError, 'code' | 'details' | 'metadata'>): string {
  const text = details.replace(/\p{Cc}+/gu, ' ').slice(0, 500) || (status[code] ?? `code ${code}`);
  const [known] = metadata?.get(codeKey) ?? [];
  return typeof known === 'string' && /^GPUB_[A-Z_]{1,60}$/.test(known) ? `${text} [${known}]` : text;
}
