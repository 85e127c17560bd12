// What PostgreSQL refuses, in the words of the broker: a net below the checks that name the field.
import { Refusal } from './refusal.ts';

/** Nobody answers, or the connection broke; of the operating system. */
const connectionErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND']);

/** The refusal that an error of the database amounts to; undefined if it is a fault of ours. */
export function databaseRefusal(error: unknown): Refusal | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (
    connectionErrors.has(code) ||
    /timeout exceeded when trying to connect|Connection terminated/.test(error.message)
  ) {
    return unavailable('the database cannot be reached now');
  }
  // An SQLSTATE has five characters; its first two are its class (PostgreSQL, appendix A).
  if (!/^[0-9A-Z]{5}$/.test(code) || !('severity' in error)) return undefined;
  if (code === '23505') return new Refusal('conflict', 'GPUB_CONFLICT', 'there is one like this already');
  if (code === '23503')
    return new Refusal('conflict', 'GPUB_CONFLICT', 'something else depends on it, or is not there');
  if (code.startsWith('22')) return new Refusal('invalid', 'GPUB_INVALID', 'a value is out of what its field can hold');
  if (['08', '53', '57'].includes(code.slice(0, 2))) return unavailable('the database does not answer now');
  if (code.startsWith('40') || code === '55P03') return unavailable('another request was in the way');
  return undefined;
}

function unavailable(reason: string): Refusal {
  return new Refusal('unavailable', 'GPUB_UNAVAILABLE', `${reason}; try again in a moment`, { retryAfter: 1 });
}
