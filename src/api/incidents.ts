// Incidents, as the API shows them.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { Page, pageFields } from './lists.ts';

export const severities = ['info', 'warning', 'critical'] as const;
export const Severity = OneOf(severities);
const statuses = ['open', 'acknowledged', 'closed'] as const;
const classes = ['hardware', 'network', 'software', 'security'] as const;

const IncidentKind = Type.String({ minLength: 1, maxLength: 100, pattern: '^[a-z0-9-]+$', examples: ['node-offline'] });

export const Incident = Type.Object({
  id: Id,
  kind: Type.String(),
  class: OneOf(classes),
  severity: Severity,
  status: OneOf(statuses),
  subject: Type.String({ description: 'What it is about: node:ID or gpu:ID.' }),
  provider_id: Nullable(Id),
  cluster_id: Nullable(Id),
  node_id: Nullable(Id),
  gpu_id: Nullable(Id),
  title: Type.String(),
  next_step: Type.String({ description: 'What to do about incidents of this kind.' }),
  details: Type.Record(Type.String(), Type.Unknown()),
  occurrences: Type.Integer({ minimum: 1, description: 'How often it was reported.' }),
  opened_at: Time,
  last_seen_at: Time,
  acknowledged_at: Nullable(Time),
  acknowledged_by: Nullable(Id),
  closed_at: Nullable(Time),
  closed_reason: Nullable(Type.String()),
  seconds_to_acknowledge: Nullable(Type.Integer({ minimum: 0 })),
  seconds_to_close: Nullable(Type.Integer({ minimum: 0 })),
});
export type Incident = Static<typeof Incident>;
export const IncidentPage = Page(Incident);

const filters = {
  kind: Type.Optional(IncidentKind),
  severity: Type.Optional(Severity),
  provider_id: Type.Optional(Id),
  cluster_id: Type.Optional(Id),
  node_id: Type.Optional(Id),
  gpu_id: Type.Optional(Id),
  from: Type.Optional(Time),
  to: Type.Optional(Time),
};

/** `from` and `to` are about when it was opened. */
export const IncidentQuery = Type.Object({ ...pageFields, ...filters, status: Type.Optional(OneOf(statuses)) });
export type IncidentQuery = Static<typeof IncidentQuery>;

export const IncidentFiguresQuery = Type.Object(filters);
export type IncidentFiguresQuery = Static<typeof IncidentFiguresQuery>;

const Seconds = Nullable(Type.Number({ minimum: 0 }));

/** How fast people and machines respond, by kind. */
export const IncidentFigures = Type.Object({
  items: Type.Array(
    Type.Object({
      kind: Type.String(),
      incidents: Type.Integer({ minimum: 0 }),
      open: Type.Integer({ minimum: 0 }),
      occurrences: Type.Integer({ minimum: 0 }),
      seconds_to_acknowledge: Type.Object({ mean: Seconds, p50: Seconds, p95: Seconds }),
      seconds_to_close: Type.Object({ mean: Seconds, p50: Seconds, p95: Seconds }),
    }),
  ),
});
export type IncidentFigures = Static<typeof IncidentFigures>;

export const CloseIncident = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 1000 }) },
  { additionalProperties: false },
);
export type CloseIncident = Static<typeof CloseIncident>;
