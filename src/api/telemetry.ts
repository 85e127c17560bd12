// Telemetry as the API takes and shows it. Where a body of the requirements exists, its names are used.
import { type Static, Type } from 'typebox';
import { Id, Nullable, OneOf, Time } from './fields.ts';
import { nodeStatuses } from './nodes.ts';

export const resolutions = ['raw', '1m', '1h'] as const;
export type Resolution = (typeof resolutions)[number];

/** Why clocks are lower than they could be; their places are the bits by which nodes report them. */
export const throttleReasons = [
  'idle',
  'applications-clocks',
  'power-cap',
  'hardware-slowdown',
  'sync-boost',
  'software-thermal',
  'hardware-thermal',
  'power-brake',
  'display-clocks',
] as const;
export type ThrottleReason = (typeof throttleReasons)[number];

export const telemetryLimits = {
  /** Metrics on one page. */
  page: 1_000,
  maxPage: 5_000,
  /** Metrics in one batch, and GPUs in one metric. */
  batch: 1_500,
  gpus: 64,
};

/** Share of time, 0 to 1. */
const Share = Type.Number({ minimum: 0, maximum: 1 });
const Count = Type.Integer({ minimum: 0 });
const counted = (description: string) => Type.Optional(Nullable(Type.Integer({ minimum: 0, description })));

const GpuMetric = Type.Object({
  gpu: Type.String({ description: 'Name of the GPU in the node: its UUID in lower case.' }),
  utilization: Nullable(Share),
  utilization_max: Type.Optional(Nullable(Share)),
  memory_utilization: Nullable(Share),
  memory_used_bytes: Nullable(Count),
  temperature: Nullable(Type.Number({ description: '°C.' })),
  temperature_max: Type.Optional(Nullable(Type.Number({ description: '°C.' }))),
  power_draw: Nullable(Type.Number({ description: 'W.' })),
  power_draw_max: Type.Optional(Nullable(Type.Number({ description: 'W.' }))),
  sm_mhz: Type.Optional(Nullable(Count)),
  memory_mhz: Type.Optional(Nullable(Count)),
  memory_temperature: counted('°C; of a minute or hour the highest, as of all counts that follow.'),
  energy: counted('J, since the driver was loaded.'),
  throttle_reasons: Type.Optional(
    Nullable(
      Type.Array(OneOf(throttleReasons), {
        description: 'Why clocks were lower than they could be, at any time of the minute or hour; null for nothing.',
      }),
    ),
  ),
  pcie_tx: counted('Sent over PCIe, B/s; of a minute or hour the mean, as of all traffic.'),
  pcie_rx: counted('Received over PCIe, B/s.'),
  nvlink_tx: counted('Sent over NVLink, B/s.'),
  nvlink_rx: counted('Received over NVLink, B/s.'),
  ecc_corrected: counted('Memory errors that were corrected, since the driver was loaded.'),
  ecc_uncorrected: counted('Memory errors that were not, since the driver was loaded.'),
  samples: Type.Optional(Count),
});
export type GpuMetric = Static<typeof GpuMetric>;

/** What a node was like at a time, or on average over the minute or hour that begins there. */
export const NodeMetric = Type.Object({
  node_id: Id,
  timestamp: Time,
  gpu_utilization: Nullable(Type.Number({ description: 'Mean over the GPUs, 0.0 to 1.0.' })),
  memory_utilization: Nullable(Type.Number({ description: 'Mean over the GPUs, 0.0 to 1.0.' })),
  temperature: Nullable(Type.Number({ description: 'Of the hottest GPU, °C.' })),
  power_draw: Nullable(Type.Number({ description: 'Of all GPUs together, W.' })),
  status: OneOf(nodeStatuses, { description: 'Of the node at that time.' }),
  gpus: Type.Array(GpuMetric),
});
export type NodeMetric = Static<typeof NodeMetric>;

export const TelemetryQuery = Type.Object({
  from: Type.Optional(Time),
  to: Type.Optional(Time),
  resolution: Type.Optional(
    OneOf([...resolutions, 'auto'] as const, { default: 'auto', description: 'auto: by the length of the range.' }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: telemetryLimits.maxPage, default: telemetryLimits.page })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
});
export type TelemetryQuery = Static<typeof TelemetryQuery>;

export const TelemetryPage = Type.Object({
  metrics: Type.Array(NodeMetric),
  resolution: OneOf(resolutions),
  next_cursor: Nullable(Type.String()),
});
export type TelemetryPage = Static<typeof TelemetryPage>;

export const NodeTelemetry = Type.Object({
  node_id: Id,
  status: OneOf(nodeStatuses),
  latest: Nullable(NodeMetric),
  history: Type.Array(NodeMetric, { description: 'Minutes of the last hour, oldest first.' }),
});
export type NodeTelemetry = Static<typeof NodeTelemetry>;

const NewGpuMetric = Type.Object({
  gpu: Type.String({ minLength: 1, maxLength: 200 }),
  utilization: Type.Optional(Share),
  memory_utilization: Type.Optional(Share),
  memory_used_bytes: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000 })),
  power_draw: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000 })),
  sm_mhz: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
  memory_mhz: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
});

const NewMetric = Type.Object({
  node_id: Type.Optional(Id),
  timestamp: Time,
  gpu_utilization: Type.Optional(Share),
  memory_utilization: Type.Optional(Share),
  temperature: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000 })),
  power_draw: Type.Optional(Type.Number({ minimum: 0, maximum: 1_000_000 })),
  status: Type.Optional(OneOf(nodeStatuses, { description: 'Not used: the broker knows better.' })),
  gpus: Type.Optional(Type.Array(NewGpuMetric, { maxItems: telemetryLimits.gpus })),
});
export type NewMetric = Static<typeof NewMetric>;

export const TelemetryBatch = Type.Object({
  node_id: Id,
  metrics: Type.Array(NewMetric, { minItems: 1, maxItems: telemetryLimits.batch }),
});
export type TelemetryBatch = Static<typeof TelemetryBatch>;

export const TelemetryAccepted = Type.Object({
  accepted: Type.Integer({ minimum: 0 }),
  refused: Type.Array(
    Type.Object({
      reason: OneOf(['too-often', 'too-old', 'in-the-future', 'other-node'] as const),
      count: Type.Integer({ minimum: 1 }),
    }),
    { description: 'How many were not taken, by reason.' },
  ),
});
export type TelemetryAccepted = Static<typeof TelemetryAccepted>;
