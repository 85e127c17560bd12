// Clusters: nodes of one provider in one place; and the tokens with which a fleet of nodes joins one.
import { type Static, Type } from 'typebox';
import { FreeForm, Id, Name, Nullable, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';

export const Region = Type.String({
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  maxLength: 63,
  description: 'Lower-case letters, digits and hyphens.',
  examples: ['eu-central-1'],
});

export const NewCluster = Type.Object({
  name: Name,
  region: Region,
  specs: Type.Optional({
    ...FreeForm,
    description: 'What the provider says about it.',
    examples: [{ network: '400G InfiniBand' }],
  }),
});
export type NewCluster = Static<typeof NewCluster>;
export const ClusterCreated = Type.Object({ cluster_id: Id });

export const ClusterChange = Type.Object(
  { name: Type.Optional(Name), specs: Type.Optional(FreeForm) },
  { minProperties: 1 },
);
export type ClusterChange = Static<typeof ClusterChange>;

export const Cluster = Type.Object({
  id: Id,
  provider_id: Id,
  name: Type.String(),
  region: Type.String(),
  specs: FreeForm,
  nodes: Type.Integer({ minimum: 0, description: 'Those that are not decommissioned.' }),
  total_gpus: Type.Integer({ minimum: 0, description: 'Whole GPUs; MIG instances are not counted.' }),
  available_gpus: Type.Integer({
    minimum: 0,
    description: 'Healthy and available, on nodes that are online, not cordoned and not draining.',
  }),
  created_at: Time,
});
export type Cluster = Static<typeof Cluster>;

export const ClusterQuery = Type.Object({
  ...pageFields,
  region: Type.Optional(Region),
  provider_id: Type.Optional(Id),
});
export type ClusterQuery = Static<typeof ClusterQuery>;
export const ClusterPage = Page(Cluster);

export const NewEnrolmentToken = Type.Object({
  max_uses: Type.Integer({ minimum: 1, maximum: 1_000_000, description: 'How many nodes may join with it.' }),
  expires_at: Time,
});
export type NewEnrolmentToken = Static<typeof NewEnrolmentToken>;

export const EnrolmentTokenCreated = Type.Object({
  id: Id,
  token: Type.String({ description: 'Shown this once: only its hash is stored.' }),
  expires_at: Time,
});

export const EnrolmentToken = Type.Object({
  id: Id,
  cluster_id: Id,
  node_id: Nullable(Type.String({ description: 'The one node that it is for; null for a fleet.' })),
  max_uses: Type.Integer(),
  uses: Type.Integer(),
  created_at: Time,
  expires_at: Time,
  revoked_at: Nullable(Time),
});
export type EnrolmentToken = Static<typeof EnrolmentToken>;
export const EnrolmentTokenPage = Page(EnrolmentToken);
