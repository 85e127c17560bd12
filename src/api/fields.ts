// Fields that many bodies of the API have: ids, times, names, one of a few words; and the shortest answer.
import { type TSchema, Type } from 'typebox';

/** A UUID; ours are of version 7, so they sort by age. */
export const Id = Type.String({ format: 'uuid', maxLength: 36, examples: ['0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c'] });

/** An instant, ISO 8601 in UTC. */
export const Time = Type.String({ format: 'date-time', maxLength: 40, examples: ['2026-01-05T09:30:00.000Z'] });

/** A name that a person gives to a thing. */
export const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '^\\S(.*\\S)?$' });

/** One of a few words. */
export function OneOf<const Words extends readonly string[]>(words: Words, options: Record<string, unknown> = {}) {
  return Type.Unsafe<Words[number]>({ type: 'string', enum: [...words], ...options });
}

/** A value that may be null. */
export function Nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()]);
}

/** Free JSON, kept as it is given. */
export const FreeForm = Type.Record(Type.String({ maxLength: 100 }), Type.Unknown());

/** What is answered where nothing else is to say. */
export const Done = Type.Object({ success: Type.Literal(true) });

/** The path parameter `id`. */
export const IdParams = Type.Object({ id: Id });
