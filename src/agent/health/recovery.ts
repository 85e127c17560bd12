// When a device that failed counts as healthy again. All of these, in this order:
//
//   failed ──nothing is the matter any more──▶ told ──recovery action none, or a reset seen──▶ quiet ──period over──▶
//   proving ──active probe succeeded──▶ healthy
//
// Any new trouble, in any state, leads back to `failed`. A device that was lost needs the sight of a reset, a reload of
// its driver or a reboot besides: it cannot have come back by itself. A device that fails again soon after it recovered
// has to be quiet for twice as long, up to eight times the period. An operator's word that the device was reset where nobody saw
// it counts as such a sight, and as no more.
//
// That memory can be queried proves nothing, for a broken GPU often still answers that. The active probe is, today,
// several complete looks in a row that go to the hardware and read every health counter without a new error. One that
// computes can take its place (`ActiveProbe`).
import { Backoff } from '../devices/backoff.ts';
import type { RecoveryAction } from '../devices/record.ts';

/** Proves that a device works, look by look; one is made for each device. */
export interface ActiveProbe {
  /** Takes a complete look without a new error; true once the device has proved itself. */
  clean(): boolean;
  /** Begins anew. */
  restart(): void;
}

/** How many clean looks in a row prove that a device works. */
const PROVING_LOOKS = 3;
/** By how much the quiet period of a device that fails again and again grows at most. */
const LONGEST_QUIET = 8;

/** The active probe of today: so many complete looks in a row without a new error. */
export function consecutiveLooks(): ActiveProbe {
  let looks = 0;
  return {
    clean: () => ++looks >= PROVING_LOOKS,
    restart: () => {
      looks = 0;
    },
  };
}

/** What recovery depends on. */
export interface RecoveryOptions {
  /** How long a device must be without trouble, in milliseconds. */
  readonly quietPeriod: number;
  readonly probe: ActiveProbe;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
}

/** A complete look at a device that failed. */
export interface RecoveryLook {
  /** Whether something is the matter now. */
  readonly trouble: boolean;
  /** As the driver says; undefined where it does not support that. */
  readonly action: RecoveryAction | undefined;
  /** Whether the device was lost. */
  readonly lost: boolean;
}

/** The way back of one device. */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #periods: Backoff;
  #period = 0;
  #troubleAt = -Infinity;
  #resetSeen = false;
  #failed = false;

  constructor(options: RecoveryOptions) {
    const { quietPeriod, clock } = options;
    this.#options = options;
    this.#periods = new Backoff({ first: quietPeriod, longest: LONGEST_QUIET * quietPeriod, clock, random: () => 1 });
  }

  /** Whether the device was reset since it failed. */
  get resetSeen(): boolean {
    return this.#resetSeen;
  }

  /** How long the device has to be without trouble, in milliseconds; 0 if it never failed. */
  get quietPeriod(): number {
    return this.#period;
  }

  /** Something new is the matter: no reset before it counts. */
  failed(): void {
    if (!this.#failed) this.#period = this.#periods.next();
    this.#failed = true;
    this.#resetSeen = false;
    this.#troubled();
  }

  /** The device was reset, its driver loaded again, or the machine booted: the quiet period counts from here. */
  wasReset(): void {
    this.#resetSeen = true;
    this.#troubled();
  }

  /** Takes a complete look at the device; true once it is healthy again. */
  look({ trouble, action, lost }: RecoveryLook): boolean {
    if (trouble) {
      this.#troubled();
      return false;
    }
    const told = action === 'none' || (action === undefined && this.#resetSeen);
    if (!told || (lost && !this.#resetSeen)) return false;
    if (this.#options.clock() - this.#troubleAt < this.#period) return false;
    if (!this.#options.probe.clean()) return false;
    this.#failed = false;
    return true;
  }

  #troubled(): void {
    this.#troubleAt = this.#options.clock();
    this.#options.probe.restart();
  }
}
