// The inventory as a whole: what it was at some time, and what happens to it.
import { type Static, Type } from 'typebox';
import { Id, Nullable, Time } from './fields.ts';
import { pageFields } from './lists.ts';

export const SnapshotQuery = Type.Object({
  ...pageFields,
  at: { ...Time, description: 'The time to look at; the same on every page.' },
  summary: Type.Optional(Type.Boolean({ description: 'Also how many GPUs of each product and health there were.' })),
});
export type SnapshotQuery = Static<typeof SnapshotQuery>;

export const SnapshotItem = Type.Object({
  gpu_id: Id,
  seq: Type.Integer({ description: 'The event that made it what it was.' }),
  since: Time,
  gpu: Type.Record(Type.String(), Type.Unknown(), { description: 'The GPU as GET /gpus/{id} showed it.' }),
});
export type SnapshotItem = Static<typeof SnapshotItem>;

export const SnapshotTotal = Type.Object({
  product: Nullable(Type.String()),
  health: Type.String(),
  gpus: Type.Integer({ minimum: 1 }),
});
export type SnapshotTotal = Static<typeof SnapshotTotal>;

export const SnapshotPage = Type.Object({
  at: Time,
  seq: Type.Integer({ description: 'The last event that counts; follow the changes after it to stay up to date.' }),
  items: Type.Array(SnapshotItem),
  next_cursor: Nullable(Type.String()),
  summary: Type.Optional(Type.Array(SnapshotTotal)),
});
export type SnapshotPage = Static<typeof SnapshotPage>;

export const ChangesQuery = Type.Object({
  limit: pageFields.limit,
  after: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'The last event that is known already. A page begins at 0 without it, a stream at the present.',
    }),
  ),
});
export type ChangesQuery = Static<typeof ChangesQuery>;

export const Change = Type.Object({
  seq: Type.Integer(),
  at: Time,
  kind: Type.String({ examples: ['gpu.changed'] }),
  provider_id: Nullable(Type.String()),
  cluster_id: Nullable(Type.String()),
  node_id: Nullable(Type.String()),
  gpu_id: Nullable(Type.String()),
  data: Type.Record(Type.String(), Type.Unknown(), { description: 'The thing after the event.' }),
});
export type Change = Static<typeof Change>;

export const ChangesPage = Type.Object({
  items: Type.Array(Change),
  next: Type.Integer({ description: 'Give this as `after` for what follows.' }),
});
export type ChangesPage = Static<typeof ChangesPage>;
