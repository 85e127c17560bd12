// The audit log, as the API shows it.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';

export const actorKinds = ['user', 'api-key', 'node', 'system', 'anonymous'] as const;
export const outcomes = ['allowed', 'refused', 'failed'] as const;
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, in hexadecimal.' });

export const AuditEntryView = Type.Object({
  seq: Type.Integer({ minimum: 1 }),
  at: Time,
  actor: Type.Object({ kind: OneOf(actorKinds), id: Nullable(Type.String()) }),
  account_id: Nullable(Type.String()),
  action: Type.String(),
  target: Nullable(Type.Object({ kind: Type.String(), id: Type.String() })),
  outcome: OneOf(outcomes),
  details: Type.Record(Type.String(), Type.Unknown()),
  previous_hash: Hash,
  hash: Hash,
});
export type AuditEntryView = Static<typeof AuditEntryView>;

export const AuditQuery = Type.Object({
  ...pageFields,
  order: Type.Optional(OneOf(['newest', 'oldest'], { default: 'newest' })),
  after_seq: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  action: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  outcome: Type.Optional(OneOf(outcomes)),
  actor_id: Type.Optional(Id),
  target_id: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  account_id: Type.Optional(Id),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
});
export type AuditQuery = Static<typeof AuditQuery>;
export const AuditPage = Page(AuditEntryView);

const Point = Type.Object({ seq: Type.Integer({ minimum: 0 }), hash: Hash });
/** Where the chain that is kept begins (after this entry) and where it ends. */
export const AuditChain = Type.Object({ start: Point, end: Point });
export type AuditChain = Static<typeof AuditChain>;
