// What PostgreSQL can store of values that come from outside.

/**
 * Trimmed and bounded; null where nothing is left. NUL characters and lone surrogates, which PostgreSQL refuses, become
 * U+FFFD.
 */
export function storableText(text: string | undefined, maxLength: number): string | null {
  const trimmed = text?.trim();
  if (!trimmed) return null;
  return trimmed.slice(0, maxLength).toWellFormed().replaceAll('\0', '\uFFFD');
}

/** Null for what is not a whole number from 0 to `most`. */
export function storableCount(value: number | bigint | undefined, most = Number.MAX_SAFE_INTEGER): number | null {
  const number = Number(value);
  return value !== undefined && Number.isInteger(number) && number >= 0 && number <= most ? number : null;
}

/** ISO 8601; null for times that no clock shows. */
export function storableTime(time: Date | undefined): string | null {
  const year = time?.getUTCFullYear() ?? Number.NaN;
  return time && year >= 1970 && year <= 9999 ? time.toISOString() : null;
}
