// What PostgreSQL can keep as text.

/** NUL, and halves of surrogate pairs, as JSON writes them. */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/;

/** Whether every text in this JSON can be stored. */
export function isStorable(json: string): boolean {
  return !json.includes('\\u') || !unstorable.test(json);
}
