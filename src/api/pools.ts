// Pools: GPUs of a provider under one name, declared one by one or found by a selector.
import { type Static, Type } from 'typebox';
import { Id, Name, Nullable, OneOf, Time } from './fields.ts';
import { GpuFilter } from './gpus.ts';
import { Page, pageFields } from './lists.ts';

const Selector = Type.Object(GpuFilter.properties, {
  description: 'What a search for GPUs takes; members are what it finds at any time.',
  minProperties: 1,
});

export const NewPool = Type.Object({
  provider_id: Id,
  name: Name,
  kind: OneOf(['static', 'dynamic']),
  selector: Type.Optional(Selector),
});
export type NewPool = Static<typeof NewPool>;

export const PoolChange = Type.Object(
  { name: Type.Optional(Name), selector: Type.Optional(Selector) },
  { minProperties: 1 },
);
export type PoolChange = Static<typeof PoolChange>;

export const Pool = Type.Object({
  id: Id,
  provider_id: Id,
  name: Type.String(),
  kind: OneOf(['static', 'dynamic']),
  selector: Nullable(Type.Record(Type.String(), Type.Unknown())),
  created_at: Time,
});
export type Pool = Static<typeof Pool>;
export const PoolQuery = Type.Object({ ...pageFields, provider_id: Type.Optional(Id) });
export type PoolQuery = Static<typeof PoolQuery>;
export const PoolPage = Page(Pool);

export const PoolMembers = Type.Object({
  gpu_ids: Type.Array(Id, { minItems: 1, maxItems: 1000, description: 'GPUs of the pool’s own provider.' }),
});
export type PoolMembers = Static<typeof PoolMembers>;
export const MembersChanged = Type.Object({ success: Type.Literal(true), changed: Type.Integer({ minimum: 0 }) });
