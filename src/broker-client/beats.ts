// The heartbeats of a session: sent at the broker's interval, timed, and missed when they stay without an answer.
import type { ConnectRequest } from '../wire/gpubroker/node/v1/node_link.ts';
import type { Spool } from './spool/spool.ts';

const missedBeats = 3;
const interval = { default: 3_000, min: 100, max: 60_000 };
const mostMicros = 2 ** 32 - 1;

/** What {@link Beats} need. */
export interface BeatsOptions {
  readonly now: () => Date;
  readonly spool: Pick<Spool, 'telemetryDropped' | 'noteDroppedTold' | 'waiting'>;
  /** Sends one; false when the stream takes none now. */
  readonly send: (heartbeat: ConnectRequest) => boolean;
  /** Told once that the broker does not answer. */
  readonly silent: () => void;
}

/** The heartbeats of one session. The first is sent at once. */
export class Beats {
  readonly #options: BeatsOptions;
  readonly #timer: NodeJS.Timeout;
  #sequence = 0n;
  #sentAt = 0;
  #roundTripMicros: number | undefined;
  /** Beats since the last answer, counted and not timed: a process that was stopped for long still reads its answers. */
  #unanswered = 0;

  /** @param millis the broker's interval; 0 for its default */
  constructor(millis: number, options: BeatsOptions) {
    this.#options = options;
    const every = Math.min(Math.max(millis || interval.default, interval.min), interval.max);
    this.#timer = setInterval(() => this.#tick(), every).unref();
    setImmediate(() => this.#send());
  }

  /** The broker has answered. */
  answered(sequence: bigint): void {
    this.#unanswered = 0;
    if (sequence !== this.#sequence) return;
    this.#roundTripMicros = Math.min(Math.round((performance.now() - this.#sentAt) * 1000), mostMicros);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#unanswered += 1;
    if (this.#unanswered < missedBeats) this.#send();
    else {
      this.stop();
      this.#options.silent();
    }
  }

  #send(): void {
    const { now, spool, send } = this.#options;
    const dropped = spool.telemetryDropped;
    const heartbeat = {
      sequence: this.#sequence + 1n,
      time: now(),
      roundTripMicros: this.#roundTripMicros,
      telemetryDropped: BigInt(dropped),
      spooled: Math.min(spool.waiting, mostMicros),
    };
    if (!send({ heartbeat })) return;
    spool.noteDroppedTold(dropped);
    this.#sequence += 1n;
    this.#sentAt = performance.now();
  }
}
