// What a failed transaction means for those who wait for it.

/** Classes of PostgreSQL's codes that mean that the server, or the way to it, is not there just now. */
const awayClasses = new Set(['08', '53', '57']);
/** Another transaction stood in the way. */
const collisions = new Set(['40001', '40P01', '55P03']);
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** node-postgres gives these no code. */
const awayMessages =
  /connection terminated|connection ended|timeout expired|timeout exceeded when trying to connect|client has encountered a connection error|not queryable|query read timeout/i;

/** Whether the same transaction may succeed when it is tried again. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (socketCodes.has(code) || collisions.has(code)) return true;
  if (code.length === 5) return awayClasses.has(code.slice(0, 2));
  return awayMessages.test(error.message);
}
