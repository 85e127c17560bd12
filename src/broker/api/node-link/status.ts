// What a refusal looks like over gRPC: a status, a text, and the code in the trailing metadata.
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import type { Log } from '../../../daemon/logger.ts';
import { databaseRefusal } from '../../database-refusals.ts';
import { Refusal, type RefusalKind } from '../../refusal.ts';

/** The key of the trailing metadata under which the `GPUB_…` code stands. */
export const codeKey = 'gpubroker-code';

/** Longer texts might not fit the trailers of HTTP/2. */
const longestDetails = 1_000;

const statuses: Readonly<Record<RefusalKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  unauthenticated: status.UNAUTHENTICATED,
  forbidden: status.PERMISSION_DENIED,
  'not-found': status.NOT_FOUND,
  conflict: status.FAILED_PRECONDITION,
  payment: status.FAILED_PRECONDITION,
  'too-large': status.RESOURCE_EXHAUSTED,
  'too-many': status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

/** Codes whose status says more than that of their kind. */
const precise: Readonly<Record<string, status>> = {
  GPUB_NODE_EXISTS: status.ALREADY_EXISTS,
  GPUB_NODE_DUPLICATE: status.ALREADY_EXISTS,
  GPUB_STREAM_REPLACED: status.ABORTED,
  GPUB_CREDENTIAL_ENDED: status.ABORTED,
  GPUB_NODE_SILENT: status.DEADLINE_EXCEEDED,
};

/** The refusal that an error amounts to; one that is a fault of ours is logged and shows nothing of itself. */
export function refusalOf(error: unknown, log: Log, where: string): Refusal {
  if (error instanceof Refusal) return error;
  const refusal = databaseRefusal(error);
  if (refusal) {
    log.warn({ err: error, where }, 'the database failed the node link');
    return refusal;
  }
  log.error({ err: error, where }, 'the node link failed inside the broker');
  return new Refusal('unavailable', 'GPUB_INTERNAL', 'the broker failed to answer; its log says why');
}

/** The status with which a call ends. */
export function statusOf({ kind, code, message }: Refusal): StatusObject {
  const metadata = new Metadata();
  metadata.set(codeKey, code);
  return {
    code: precise[code] ?? statuses[kind],
    details: message.slice(0, longestDetails).toWellFormed(),
    metadata,
  };
}
