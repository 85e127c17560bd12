// What a refused request is answered with: RFC 9457 problem details.
import { type Static, Type } from 'typebox';

/** One thing that is wrong with a request. */
export const FieldProblem = Type.Object({
  field: Type.String({ description: 'Where: body.name, query.limit, params.id.' }),
  value: Type.Optional(Type.Unknown({ description: 'What was given; never of a secret.' })),
  allowed: Type.Optional(Type.String({ description: 'What may be given instead.' })),
  message: Type.String(),
});
export type FieldProblem = Static<typeof FieldProblem>;

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A URI that names the kind of problem.' }),
    title: Type.String(),
    status: Type.Integer({ minimum: 400, maximum: 599 }),
    detail: Type.String(),
    code: Type.String({ pattern: '^GPUB_[A-Z_]+$', description: 'Stable, safe to match on.' }),
    field: Type.Optional(Type.String()),
    value: Type.Optional(Type.Unknown()),
    allowed: Type.Optional(Type.String()),
    request_id: Type.String(),
    retry_after: Type.Optional(Type.Integer({ minimum: 0, description: 'Seconds.' })),
    errors: Type.Optional(Type.Array(FieldProblem)),
  },
  { description: 'Problem details (RFC 9457).' },
);
export type Problem = Static<typeof Problem>;

/** The media type of problems. */
export const problemType = 'application/problem+json';
