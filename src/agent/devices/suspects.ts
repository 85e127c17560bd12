// Devices that a probe hung or crashed on: the main probe does not touch them, and separate probes try them again.
//
//   suspected ──back-off──▶ on trial ──every call answers──▶ released, back to the main probe
//        ▲                     │
//        └──hangs, dies, fails─┘
//
// A trial makes every call that the main probe would make, for the call that hung need not be the cheapest one. It
// waits while the process that hung on the same device still exists (it would hang as well), and while there is no
// room for another process that may turn out unkillable (probe-census.ts): beside the main probe there is room for one
// trial, and for none while a killed process survives.

import type { Log } from '../../daemon/logger.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import type { ProbeCensus } from './probe-census.ts';
import type { ProbeClient } from './probe-client.ts';
import { type Answer, isRefusal, type Round, type SourceOptions, type Target } from './protocol.ts';

interface Suspect {
  readonly index: number;
  /** The uuids of the device's parts. */
  readonly parts: readonly string[];
  /** What it did, for people. */
  readonly message: string;
  /** The last process that touched it. */
  lastProbe: ProbeClient;
  timer?: NodeJS.Timeout;
}

export interface SuspectsOptions {
  source: SourceOptions;
  census: ProbeCensus;
  backoff: BackoffOptions;
  log: Log;
}

/** The suspects of one source, by index. */
export class Suspects {
  readonly #options: SuspectsOptions;
  readonly #suspects = new Map<number, Suspect>();
  /** Outlives a release, so that a device that hangs again and again is tried ever more rarely. */
  readonly #backoffs = new Map<number, Backoff>();

  constructor(options: SuspectsOptions) {
    this.#options = options;
  }

  /** What each suspect did, by index; a copy. */
  messages(): ReadonlyMap<number, string> {
    return new Map([...this.#suspects.values()].map(({ index, message }) => [index, message]));
  }

  /** Isolates a device with its parts; `probe` is the process that hung or died on it. */
  add(index: number, parts: readonly string[], message: string, probe: ProbeClient): void {
    const suspect: Suspect = { index, parts, message, lastProbe: probe };
    this.#suspects.set(index, suspect);
    this.#schedule(suspect);
  }

  /** Ends all attempts. */
  stop(): void {
    for (const { timer } of this.#suspects.values()) clearTimeout(timer);
    this.#suspects.clear();
  }

  #schedule(suspect: Suspect, delay = this.#backoff(suspect.index).next()): void {
    suspect.timer = setTimeout(() => void this.#try(suspect), delay).unref();
  }

  #backoff(index: number): Backoff {
    const backoff = this.#backoffs.get(index) ?? new Backoff(this.#options.backoff);
    this.#backoffs.set(index, backoff);
    return backoff;
  }

  async #try(suspect: Suspect): Promise<void> {
    const { census, backoff } = this.#options;
    if (!suspect.lastProbe.dead || !census.hasRoom()) return this.#schedule(suspect, backoff.first);
    const answered = await this.#trial(suspect);
    if (this.#suspects.get(suspect.index) !== suspect) return;
    if (answered) this.#release(suspect);
    else this.#schedule(suspect);
  }

  /** Whether the device answers every call, be it with an error of its own. */
  async #trial(suspect: Suspect): Promise<boolean> {
    const { census, source } = this.#options;
    const { index, parts } = suspect;
    const probe = census.start();
    if (!probe) return false;
    suspect.lastProbe = probe;
    const targets: Target[] = [{ index }, ...parts.map((part) => ({ index, part }))];
    const round: Round = [
      { call: 'open', source },
      { call: 'check', index },
      ...targets.map((target) => ({ call: 'read' as const, ...target })),
      ...targets.map((target) => ({ call: 'sample' as const, ...target })),
    ];
    let reached = true;
    const { end } = await probe.run(round, (answer) => {
      if (concernsDriver(answer)) reached = false;
    });
    census.kill(probe);
    return end === 'answered' && reached;
  }

  #release(suspect: Suspect): void {
    this.#suspects.delete(suspect.index);
    this.#options.log.info(
      { source: this.#options.source.name, index: suspect.index },
      'a device that hung answers again',
    );
  }
}

/** Whether an answer says nothing of the device, because the driver itself could not be reached. */
function concernsDriver(answer: Answer): boolean {
  return isRefusal(answer) && (answer.call === 'open' || answer.fault === 'driver-gone');
}
