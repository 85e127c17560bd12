// Nodes: the machines that GPUs sit in.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Gpu } from './gpus.ts';
import { Page, pageFields } from './lists.ts';

export const nodeStatuses = ['healthy', 'degraded', 'offline'] as const;

export const Hostname = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$',
  maxLength: 253,
  description: 'The name under which the node joins.',
  examples: ['gpu-01.example.net'],
});

export const DeclaredGpu = Type.Object({
  model: Type.String({ minLength: 1, maxLength: 200 }),
  count: Type.Integer({ minimum: 1, maximum: 1024 }),
  memory_gb: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
});

export const NewNode = Type.Object({
  hostname: Hostname,
  gpu_specs: Type.Optional(
    Type.Array(DeclaredGpu, {
      maxItems: 64,
      description: 'What the provider says is in it; what the node reports is compared with this.',
    }),
  ),
});
export type NewNode = Static<typeof NewNode>;

export const NodeCreated = Type.Object({
  node_id: Id,
  onboarding_token: Type.String({ description: 'Good for one join; shown this once.' }),
  expires_at: Time,
});
export const OnboardingToken = Type.Object({ onboarding_token: Type.String(), expires_at: Time });

export const NodeChange = Type.Object({ gpu_specs: Type.Array(DeclaredGpu, { maxItems: 64 }) });
export type NodeChange = Static<typeof NodeChange>;

export const Node = Type.Object({
  id: Id,
  cluster_id: Id,
  provider_id: Id,
  hostname: Type.String(),
  region: Type.String(),
  status: OneOf(nodeStatuses),
  reason: Type.String({ description: 'Why it has this status.' }),
  status_since: Time,
  cordoned: Type.Boolean({ description: 'No new leases.' }),
  draining: Type.Boolean({ description: 'Leases end, and no new ones come.' }),
  decommissioned_at: Nullable(Time),
  simulated: Type.Boolean(),
  sources: Type.Array(Type.String()),
  ip_address: Nullable(Type.String()),
  agent_version: Type.String(),
  joined_at: Nullable(Time),
  last_seen_at: Nullable(Time),
  clock_skew_ms: Nullable(Type.Integer()),
  round_trip_micros: Nullable(Type.Integer()),
  gpu_specs: Type.Array(DeclaredGpu),
  gpu_count: Type.Integer({ minimum: 0, description: 'Whole GPUs that it shows.' }),
  created_at: Time,
});
export type Node = Static<typeof Node>;

export const NodeDetails = Type.Object({
  ...Node.properties,
  gpus: Type.Array(Gpu),
  figures: Nullable(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'Uptime, reliability, response time; see docs/inventory.md.',
    }),
  ),
});
export type NodeDetails = Static<typeof NodeDetails>;

export const NodeQuery = Type.Object({
  ...pageFields,
  cluster_id: Type.Optional(Id),
  provider_id: Type.Optional(Id),
  status: Type.Optional(OneOf(nodeStatuses)),
  hostname: Type.Optional(Hostname),
  cordoned: Type.Optional(Type.Boolean()),
  draining: Type.Optional(Type.Boolean()),
  simulated: Type.Optional(Type.Boolean()),
  include_decommissioned: Type.Optional(Type.Boolean({ default: false })),
});
export type NodeQuery = Static<typeof NodeQuery>;
export const NodePage = Page(Node);
