// From anything thrown to the problem that a client sees (RFC 9457); never an inside, never a secret.
import { STATUS_CODES } from 'node:http';
import type { FastifyError } from 'fastify';
import type { FieldProblem, Problem } from '../../../api/problem.ts';
import { databaseRefusal } from '../../database-refusals.ts';
import { Refusal, type RefusalKind } from '../../refusal.ts';
import { InvalidRequest } from './validation.ts';

const statuses: Readonly<Record<RefusalKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  payment: 402,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  'too-many': 429,
  unavailable: 503,
};

/** Problems that HTTP itself has, by status. */
const ofHttp: Readonly<Record<number, readonly [code: `GPUB_${string}`, detail: string]>> = {
  400: ['GPUB_MALFORMED', 'The request cannot be read: its URL, headers or JSON are malformed.'],
  404: ['GPUB_NOT_FOUND', 'There is nothing at this path; /openapi.json lists what there is.'],
  405: ['GPUB_METHOD_NOT_ALLOWED', 'This path does not take this method; the Allow header lists those that it takes.'],
  408: ['GPUB_TIMEOUT', 'The request did not arrive in time.'],
  413: ['GPUB_TOO_LARGE', 'The body is larger than 1 MiB.'],
  415: ['GPUB_UNSUPPORTED_MEDIA_TYPE', 'Bodies are JSON: send Content-Type: application/json.'],
  431: ['GPUB_TOO_LARGE', 'URL and headers are too large.'],
  500: ['GPUB_INTERNAL', 'Something went wrong here; the log says more under this request_id.'],
  503: ['GPUB_UNAVAILABLE', 'The broker cannot do this now; try again in a moment.'],
};

/** Titles and types by status alone. */
function problem(status: number, code: string, detail: string, requestId: string): Problem {
  return {
    type: `urn:gpubroker:problem:${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    request_id: requestId,
  };
}

/** A problem of HTTP itself. */
export function httpProblem(status: number, requestId: string): Problem {
  const known = ofHttp[status] ? status : status < 500 ? 400 : 500;
  const [code, detail] = ofHttp[known] ?? ['GPUB_INTERNAL', ''];
  return problem(status, code, detail, requestId);
}

/** What somebody is told about an error; anything that is nobody's fault but ours is a 500 without details. */
export function toProblem(thrown: unknown, requestId: string): Problem {
  if (thrown instanceof InvalidRequest) return invalidProblem(thrown.problems, requestId);
  const refusal = thrown instanceof Refusal ? thrown : databaseRefusal(thrown);
  if (refusal) return refusalProblem(refusal, requestId);
  const { statusCode, code } = thrown as Partial<FastifyError>;
  if (statusCode === undefined || statusCode < 400 || !code?.startsWith('FST_ERR_')) {
    return httpProblem(500, requestId);
  }
  return httpProblem(statusCode, requestId);
}

function invalidProblem(problems: readonly FieldProblem[], requestId: string): Problem {
  const [first] = problems;
  if (!first) return httpProblem(400, requestId);
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  const { field, value, allowed, message } = first;
  return {
    ...problem(400, 'GPUB_INVALID', `${message}${more}`, requestId),
    field,
    ...(value === undefined ? {} : { value }),
    ...(allowed === undefined ? {} : { allowed }),
    errors: [...problems],
  };
}

function refusalProblem({ kind, code, message, details }: Refusal, requestId: string): Problem {
  const { field, value, allowed, retryAfter } = details;
  return {
    ...problem(statuses[kind], code, message, requestId),
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value }),
    ...(allowed === undefined ? {} : { allowed }),
    ...(retryAfter === undefined ? {} : { retry_after: Math.ceil(retryAfter) }),
  };
}
