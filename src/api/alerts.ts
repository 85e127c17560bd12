// Alert rules, alerts and their deliveries, as the API shows them.
import { type Static, Type } from 'typebox';
import { Id, Name, Nullable, OneOf, Time } from './fields.ts';
import { Severity } from './incidents.ts';
import { Page, pageFields } from './lists.ts';

/** Bounds of rules. */
export const alertLimits = { rulesPerAccount: 100, channelsPerRule: 5, recipientsPerChannel: 10, subjectsNamed: 20 };

/** Measured for each GPU, from the latest telemetry. */
export const gpuMetrics = [
  'gpu_temperature_celsius',
  'gpu_utilization_percent',
  'gpu_memory_utilization_percent',
  'gpu_power_milliwatts',
] as const;
/** Counted for each cluster, and added up over a group. */
export const countMetrics = ['nodes_offline', 'gpus_unhealthy'] as const;
export const metrics = [...gpuMetrics, ...countMetrics, 'node_clock_skew_ms'] as const;
export const groupings = ['rule', 'provider', 'cluster', 'node', 'gpu'] as const;
export const channelTypes = ['webhook', 'email', 'slack'] as const;

const IncidentCondition = Type.Object(
  {
    type: Type.Literal('incident'),
    kinds: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 100, pattern: '^[a-z0-9-]+$' }), { minItems: 1, maxItems: 50 }),
    ),
    min_severity: Type.Optional(Severity),
    provider_id: Type.Optional(Id),
    cluster_id: Type.Optional(Id),
  },
  { additionalProperties: false },
);

const ThresholdCondition = Type.Object(
  {
    type: Type.Literal('threshold'),
    metric: OneOf(metrics),
    comparison: OneOf(['above', 'below']),
    value: Type.Number({ minimum: -1e12, maximum: 1e12 }),
    for_seconds: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 86_400, description: 'How long it must have been so; 0 if left out.' }),
    ),
    severity: Type.Optional(Severity),
    provider_id: Type.Optional(Id),
    cluster_id: Type.Optional(Id),
    node_id: Type.Optional(Id),
    gpu_id: Type.Optional(Id),
  },
  { additionalProperties: false },
);

export const Condition = Type.Union([IncidentCondition, ThresholdCondition]);
export type Condition = Static<typeof Condition>;
export type ThresholdCondition = Static<typeof ThresholdCondition>;

const Url = Type.String({ minLength: 8, maxLength: 2000, pattern: '^https?://' });
const KeptId = Type.Optional(
  Type.String({ format: 'uuid', description: 'Of a channel that is there: keeps its secret.' }),
);

const WebhookInput = Type.Object(
  {
    id: KeptId,
    type: Type.Literal('webhook'),
    url: Url,
    secret: Type.Optional(
      Type.String({ minLength: 16, maxLength: 200, description: 'Signs what is sent; write-only.' }),
    ),
  },
  { additionalProperties: false },
);
const EmailInput = Type.Object(
  {
    id: KeptId,
    type: Type.Literal('email'),
    to: Type.Array(Type.String({ format: 'email', maxLength: 254 }), {
      minItems: 1,
      maxItems: alertLimits.recipientsPerChannel,
    }),
  },
  { additionalProperties: false },
);
const SlackInput = Type.Object(
  {
    id: KeptId,
    type: Type.Literal('slack'),
    url: Type.Optional(Type.String({ ...Url, description: 'Of the incoming webhook; write-only.' })),
  },
  { additionalProperties: false },
);
export const ChannelInput = Type.Union([WebhookInput, EmailInput, SlackInput]);
export type ChannelInput = Static<typeof ChannelInput>;

/** A channel without its secrets. */
export const ChannelView = Type.Object({
  id: Id,
  type: OneOf(channelTypes),
  url: Type.Optional(Type.String({ description: 'Without what may be secret in it.' })),
  to: Type.Optional(Type.Array(Type.String())),
});
export type ChannelView = Static<typeof ChannelView>;

/** When a rule is created each has a default; when it is changed, what is left out stays as it is. */
function settings(creating: boolean) {
  const otherwise = (value: unknown) => (creating ? { default: value } : {});
  return {
    group_by: Type.Optional(
      OneOf(groupings, { ...otherwise('rule'), description: 'One alert, and one notice, for each.' }),
    ),
    group_wait_s: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 3600,
        ...otherwise(10),
        description: 'Waits for more subjects before the first notice.',
      }),
    ),
    repeat_interval_s: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: 604_800,
        ...otherwise(3600),
        description: 'At most one notice of a group in this time.',
      }),
    ),
    max_notices_per_hour: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, ...otherwise(20) })),
    enabled: Type.Optional(Type.Boolean(otherwise(true))),
    muted_until: Type.Optional(Nullable(Time)),
  };
}

const Channels = Type.Array(ChannelInput, { minItems: 1, maxItems: alertLimits.channelsPerRule });

export const CreateAlertRule = Type.Object(
  {
    name: Name,
    scope: Type.Optional(
      OneOf(['account', 'everybody'], { default: 'account', description: 'Of all accounts: only admins.' }),
    ),
    condition: Condition,
    channels: Channels,
    ...settings(true),
  },
  { additionalProperties: false },
);
export type CreateAlertRule = Static<typeof CreateAlertRule>;

export const UpdateAlertRule = Type.Object(
  {
    name: Type.Optional(Name),
    condition: Type.Optional(Condition),
    channels: Type.Optional(Channels),
    ...settings(false),
  },
  { additionalProperties: false, minProperties: 1 },
);
export type UpdateAlertRule = Static<typeof UpdateAlertRule>;

export const AlertRule = Type.Object({
  id: Id,
  account_id: Nullable(Id),
  name: Type.String(),
  condition: Condition,
  channels: Type.Array(ChannelView),
  group_by: OneOf(groupings),
  group_wait_s: Type.Integer(),
  repeat_interval_s: Type.Integer(),
  max_notices_per_hour: Type.Integer(),
  enabled: Type.Boolean(),
  muted_until: Nullable(Time),
  created_at: Time,
});
export type AlertRule = Static<typeof AlertRule>;
export const AlertRulePage = Page(AlertRule);

const TestOutcome = Type.Object({
  channel_id: Id,
  type: OneOf(channelTypes),
  outcome: OneOf(['sent', 'failed']),
  error: Nullable(Type.String()),
});
export const AlertRuleTest = Type.Object({ outcomes: Type.Array(TestOutcome) });
export type AlertRuleTest = Static<typeof AlertRuleTest>;

export const AlertSubject = Type.Object({
  subject: Type.String(),
  title: Type.String(),
  since: Time,
  value: Type.Optional(Type.Number()),
});
export type AlertSubject = Static<typeof AlertSubject>;

const alertStatuses = ['pending', 'firing', 'resolved'] as const;
export const Alert = Type.Object({
  id: Id,
  rule_id: Id,
  rule_name: Type.String(),
  group: Type.String(),
  status: OneOf(alertStatuses),
  severity: Severity,
  subject_count: Type.Integer({ minimum: 0 }),
  subjects: Type.Array(AlertSubject, { description: `The first ${alertLimits.subjectsNamed}.` }),
  opened_at: Time,
  fired_at: Nullable(Time),
  notified_at: Nullable(Time),
  resolved_at: Nullable(Time),
});
export type Alert = Static<typeof Alert>;
export const AlertPage = Page(Alert);

export const AlertQuery = Type.Object({
  ...pageFields,
  status: Type.Optional(OneOf(alertStatuses)),
  severity: Type.Optional(Severity),
  rule_id: Type.Optional(Id),
});
export type AlertQuery = Static<typeof AlertQuery>;

const Delivery = Type.Object({
  id: Id,
  notice_id: Id,
  kind: OneOf(['firing', 'repeat', 'resolved', 'suppressed']),
  channel_id: Id,
  channel_type: Type.String(),
  status: OneOf(['waiting', 'sent', 'given-up']),
  attempts: Type.Integer({ minimum: 0 }),
  next_attempt_at: Nullable(Time),
  last_error: Nullable(Type.String()),
  created_at: Time,
  sent_at: Nullable(Time),
});

/** With its newest deliveries. */
export const AlertWithDeliveries = Type.Object({ ...Alert.properties, deliveries: Type.Array(Delivery) });
export type AlertWithDeliveries = Static<typeof AlertWithDeliveries>;
