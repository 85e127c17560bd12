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

/** What refuses a node that has joined: its credential is good no more, or it was sent away. */
const dismissals: ReadonlySet<number> = new Set([status.NOT_FOUND, status.PERMISSION_DENIED, status.UNAUTHENTICATED]);

export function judgeEnroll({ code }: Pick<ServiceError, 'code'>): Verdict {
  return refusals.has(code) ? 'lasting' : 'passing';
}

export function judgeConnect({ code }: Pick<ServiceError, 'code'>): Verdict {
  return dismissals.has(code) ? 'lasting' : 'passing';
}

/** What the broker, or the connection, said; without what only a terminal or a log reader would trip over. */
export function saidBy(error: Pick<ServiceError, 'code' | 'details'>): string {
  const text = error.details.replace(/\p{Cc}+/gu, ' ').slice(0, 500);
  return text === '' ? (status[error.code] ?? `code ${error.code}`) : text;
}
