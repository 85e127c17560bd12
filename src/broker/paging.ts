// Cursors: where a page ended, opaque to clients; a cursor that we did not make is refused.
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { pageLimits } from '../api/lists.ts';
import { invalid, type Refusal } from './refusal.ts';

/** A cursor that holds a place in the order of a list, usually the sort values and the id of the last item. */
export function encodeCursor(place: unknown): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/**
 * Makes the reader of cursors whose place has a shape.
 * @throws Refusal `query.cursor` from the reader, if the cursor is not one of this list.
 */
export function cursorReader<Schema extends TSchema>(
  schema: Schema,
): (cursor: string | undefined) => Static<Schema> | undefined {
  const validator = Compile(schema);
  return (cursor) => {
    if (cursor === undefined) return undefined;
    const place = parse(cursor);
    if (!validator.Check(place)) throw refused(cursor);
    return place as Static<Schema>;
  };
}

/**
 * What a cursor holds, for callers that check its shape themselves.
 * @throws Refusal `query.cursor` if it is no cursor.
 */
export function decodeCursor(cursor: string): unknown {
  const place = parse(cursor);
  if (place === undefined) throw refused(cursor);
  return place;
}

/**
 * A page out of `limit + 1` rows read: what the query for a page asks for, so that it knows whether more follow.
 * @param placeOf where the next page begins after an item.
 */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number | undefined,
  placeOf: (row: Row) => unknown,
  show: (row: Row) => Item,
): { items: Item[]; next_cursor: string | null } {
  const size = limit ?? pageLimits.default;
  const last = rows.length > size ? rows[size - 1] : undefined;
  return { items: rows.slice(0, size).map(show), next_cursor: last === undefined ? null : encodeCursor(placeOf(last)) };
}

function parse(cursor: string): unknown {
  if (!/^[\w-]+$/.test(cursor)) return undefined;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return undefined;
  }
}

function refused(cursor: string): Refusal {
  return invalid('query.cursor', cursor, 'the next_cursor of the page before, with the same filters, or none');
}
