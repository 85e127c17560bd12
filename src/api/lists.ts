// Lists: how a page is asked for, and what it looks like.
import { type Static, type TSchema, Type } from 'typebox';

export const pageLimits = { default: 50, max: 500 };

/** What every list takes; spread `pageFields` into the query of a list with filters. */
export const pageFields = {
  limit: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: pageLimits.max,
      default: pageLimits.default,
      description: 'How many at most.',
    }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 500, description: 'next_cursor of the page before; opaque.' }),
  ),
};

export const PageQuery = Type.Object(pageFields);
export type PageQuery = Static<typeof PageQuery>;

/** A page of a list; `next_cursor` is null on the last. */
export function Page<Item extends TSchema>(item: Item) {
  return Type.Object({
    items: Type.Array(item),
    next_cursor: Type.Union([Type.String(), Type.Null()]),
    total: Type.Optional(Type.Integer({ minimum: 0 })),
  });
}
