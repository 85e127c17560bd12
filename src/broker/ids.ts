// Ids: UUIDv7, so that they sort by the time at which they were made (RFC 9562, 5.7).
export { newId } from '../daemon/new-id.ts';

/** The lowest id of a millisecond: every id that was made then or later sorts at it or after it. */
export function firstId(at: number): string {
  const hex = at.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

/** Whether a text is written as a UUID. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}
