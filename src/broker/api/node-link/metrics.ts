// What the node link counts: in plain fields, for prom-client takes longer to count a heartbeat than to answer it.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { MeasurementOutcome } from './measurements.ts';

/** The messages of nodes, by the names of `ConnectRequest`'s fields. */
const messageTypes = [
  'hello',
  'heartbeat',
  'snapshot',
  'changes',
  'telemetry',
  'new_key',
  'challenge_result',
  'measurement',
] as const;

export type MessageType = (typeof messageTypes)[number];

/** The counters of one node link. */
export class NodeLinkMetrics {
  readonly messages: Record<MessageType, number> = {
    hello: 0,
    heartbeat: 0,
    snapshot: 0,
    changes: 0,
    telemetry: 0,
    new_key: 0,
    challenge_result: 0,
    measurement: 0,
  };
  heartbeatGaps = 0;
  /** Rounds. */
  telemetryRefused = 0;
  readonly measurements: Record<MeasurementOutcome, number> = { stored: 0, refused: 0, limited: 0, unavailable: 0 };
  readonly #refusals = new Map<string, number>();
  readonly #enrolments = new Map<string, number>();

  constructor(registry: Registry, streams: () => number) {
    new Gauge({
      name: 'gpubroker_node_streams',
      help: 'Nodes that are connected.',
      registers: [registry],
      collect() {
        this.set(streams());
      },
    });
    counter(registry, 'gpubroker_node_messages_total', 'Messages of nodes, by type.', 'type', () =>
      Object.entries(this.messages),
    );
    counter(
      registry,
      'gpubroker_node_link_refusals_total',
      'Calls of nodes that were refused, by code.',
      'code',
      () => [...this.#refusals],
    );
    counter(registry, 'gpubroker_enrolments_total', 'Attempts to enrol, by outcome.', 'outcome', () => [
      ...this.#enrolments,
    ]);
    plain(registry, 'gpubroker_heartbeat_gaps_total', 'Heartbeats that did not follow the one before.', () => {
      return this.heartbeatGaps;
    });
    plain(registry, 'gpubroker_telemetry_refused_total', 'Rounds of telemetry that came too fast.', () => {
      return this.telemetryRefused;
    });
    counter(registry, 'gpubroker_node_measurements_total', 'Measurements of nodes, by outcome.', 'outcome', () =>
      Object.entries(this.measurements),
    );
  }

  /** A call or stream ended with a code of the broker's. */
  refused(code: string): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  enrolment(outcome: 'new' | 'repeated' | 'refused' | 'failed'): void {
    this.#enrolments.set(outcome, (this.#enrolments.get(outcome) ?? 0) + 1);
  }
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  values: () => Iterable<[string, number]>,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of values()) this.inc({ [label]: value }, count);
    },
  });
}

function plain(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}
