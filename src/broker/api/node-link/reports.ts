// What a node reports on its stream: handed on to be stored, acknowledged when it is, and never more than a bound at a
// time. When too much waits, the stream is not read until some of it is stored.
import type { Measurement } from '../../../wire/gpubroker/device/v1/measurement.ts';
import type {
  Changes,
  ConnectRequest,
  Heartbeat,
  Snapshot,
  Stored,
  Telemetry,
} from '../../../wire/gpubroker/node/v1/node_link.ts';
import { newId } from '../../ids.ts';
import type { LinkContext } from './context.ts';
import { takeMeasurement } from './measurements.ts';
import { checkChanges, checkSnapshot, checkTelemetry, checkTime, outOfPlace } from './messages.ts';
import type { Outbox } from './outbox.ts';
import type { Questions } from './questions.ts';
import type { Rotation } from './rotation.ts';
import { TelemetryPace } from './telemetry-pace.ts';

/** What reports need of their stream. */
export interface ReportingStream {
  readonly context: LinkContext;
  readonly nodeId: string;
  readonly spoolId: string;
  readonly outbox: Outbox;
  readonly rotation: Rotation;
  readonly pulls: Questions<void>;
  readonly challenges: Questions<NonNullable<ConnectRequest['challengeResult']>>;
  /** What is stored, when the stream begins. */
  readonly stored: Stored;
  /** Something could not be stored. */
  readonly fail: (error: unknown) => void;
  /** There is room again after {@link Reports.isFull}. */
  readonly readOn: () => void;
}

export class Reports {
  readonly #stream: ReportingStream;
  readonly #pace: TelemetryPace;
  #beats = 0n;
  #changeSequence: bigint;
  #telemetrySequence: bigint;
  /** The last round that came, stored, waiting or dropped. */
  #telemetrySeen: bigint;
  #roundsWaiting = 0;
  #waiting = 0;
  #waitingBytes = 0;
  #full = false;
  #telling = false;
  /** The snapshot that was asked for because of a gap. */
  #gapPull = '';

  constructor(stream: ReportingStream) {
    const { context, nodeId, stored } = stream;
    this.#stream = stream;
    this.#pace = new TelemetryPace(context.limits, context.telemetryAllowances, nodeId);
    this.#changeSequence = stored.changeSequence;
    this.#telemetrySequence = stored.telemetrySequence;
    this.#telemetrySeen = stored.telemetrySequence;
  }

  /** Whether so much waits that the stream must not be read. */
  get isFull(): boolean {
    return this.#full;
  }

  /**
   * Takes one message of `bytes` bytes.
   *
   * @throws Refusal for one that breaks the protocol
   */
  take(message: ConnectRequest, bytes: number, at: Date): void {
    const { messages } = this.#stream.context.metrics;
    if (message.heartbeat) {
      messages.heartbeat += 1;
      this.#beat(message.heartbeat, at);
    } else if (message.telemetry) {
      messages.telemetry += 1;
      this.#telemetry(message.telemetry, bytes, at);
    } else if (message.changes) {
      messages.changes += 1;
      this.#changes(message.changes, bytes);
    } else if (message.snapshot) {
      messages.snapshot += 1;
      this.#snapshot(message.snapshot, bytes);
    } else if (message.newKey) {
      messages.new_key += 1;
      const { rotation, outbox } = this.#stream;
      this.#hold(bytes, rotation.take(message.newKey), (credential) => {
        outbox.command({ credential: { id: credential.id, expiresAt: credential.expiresAt } });
      });
    } else if (message.challengeResult) {
      messages.challenge_result += 1;
      // One that comes too late, or that nobody asked for, is nobody's.
      this.#stream.challenges.answer(message.challengeResult.id, message.challengeResult);
    } else if (message.measurement) {
      messages.measurement += 1;
      this.#measurement(message.measurement, bytes, at);
    } else if (message.hello) {
      throw outOfPlace('a stream has one hello, and this is another');
    }
    // Anything else is of a later version of the protocol.
  }

  #beat({ sequence, time, roundTripMicros, telemetryDropped }: Heartbeat, at: Date): void {
    const { context, nodeId, outbox } = this.#stream;
    if (sequence !== this.#beats + 1n) context.metrics.heartbeatGaps += 1;
    this.#beats = sequence;
    checkTime('heartbeat.time', time, false);
    context.ingest.beat(nodeId, { at, nodeTime: time, roundTripMicros, telemetryDropped });
    outbox.reply(sequence);
  }

  #snapshot(snapshot: Snapshot, bytes: number): void {
    const { context, nodeId, spoolId, pulls } = this.#stream;
    checkSnapshot(snapshot, context.limits);
    this.#hold(bytes, context.ingest.snapshot(nodeId, spoolId, snapshot), () => {
      // Whatever was missing is in it.
      this.#gapPull = '';
      this.#changesStored(snapshot.sequence);
      if (snapshot.pullId !== undefined) pulls.answer(snapshot.pullId, undefined);
    });
  }

  #changes(message: Changes, bytes: number): void {
    const { context, nodeId, spoolId } = this.#stream;
    checkChanges(message, context.limits);
    const last = message.changes.at(-1);
    if (!last) return;
    this.#hold(bytes, context.ingest.changes(nodeId, spoolId, message.changes), (outcome) => {
      if (outcome === 'stored') this.#changesStored(last.sequence);
      else this.#pullOverGap();
    });
  }

  #telemetry(round: Telemetry, bytes: number, at: Date): void {
    const { context, nodeId, spoolId } = this.#stream;
    checkTelemetry(round, context.limits);
    // Sent again after a cut, though it was stored.
    if (round.sequence <= this.#telemetrySeen) {
      this.#tellStored();
      return;
    }
    this.#telemetrySeen = round.sequence;
    if (!this.#pace.takes(round, at.getTime())) {
      context.metrics.telemetryRefused += 1;
      if (this.#roundsWaiting === 0) this.#roundsStored(round.sequence);
      return;
    }
    this.#roundsWaiting += 1;
    this.#hold(bytes, context.telemetry.add(nodeId, spoolId, [round]), () => {
      this.#roundsWaiting -= 1;
      // What was dropped behind the last one that waited is done with, too.
      this.#roundsStored(this.#roundsWaiting === 0 ? this.#telemetrySeen : round.sequence);
    });
  }

  #measurement(measurement: Measurement, bytes: number, at: Date): void {
    const { context, nodeId, outbox } = this.#stream;
    this.#hold(bytes, takeMeasurement(context, nodeId, measurement, at), (isDone) => {
      // A node that reads nothing misses it, and sends the measurement again.
      if (isDone) outbox.command({ measurementStored: { id: measurement.id } });
    });
  }

  /** Counts as waiting until the work is done; `then` may not throw. */
  #hold<Value>(bytes: number, work: Promise<Value>, then: (value: Value) => void): void {
    const { limits } = this.#stream.context;
    this.#waiting += 1;
    this.#waitingBytes += bytes;
    if (this.#waiting >= limits.unstoredMessages || this.#waitingBytes >= limits.unstoredBytes) this.#full = true;
    work
      .then(then)
      .catch(this.#stream.fail)
      .finally(() => {
        this.#waiting -= 1;
        this.#waitingBytes -= bytes;
        if (!this.#full) return;
        if (this.#waiting * 2 > limits.unstoredMessages || this.#waitingBytes * 2 > limits.unstoredBytes) return;
        this.#full = false;
        this.#stream.readOn();
      });
  }

  #pullOverGap(): void {
    if (this.#gapPull !== '') return;
    this.#gapPull = newId();
    this.#stream.outbox.command({ pullInventory: { id: this.#gapPull } });
  }

  #changesStored(sequence: bigint): void {
    if (sequence > this.#changeSequence) this.#changeSequence = sequence;
    this.#tellStored();
  }

  #roundsStored(sequence: bigint): void {
    if (sequence > this.#telemetrySequence) this.#telemetrySequence = sequence;
    this.#tellStored();
  }

  /** Once for all that one turn of the event loop has stored: a commit resolves many promises. */
  #tellStored(): void {
    if (this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      this.#stream.outbox.stored(this.#changeSequence, this.#telemetrySequence);
    });
  }
}
