// Every probe process of one source from start to end, so that those which not even SIGKILL ends stay few.
import type { Log } from '../../daemon/logger.ts';
import { ProbeClient, type ProbeClientOptions } from './probe-client.ts';

/** Processes that the kernel holds in a driver call; each keeps its memory, and one more would learn nothing new. */
export const MAX_UNKILLABLE = 2;
/** A killed process is gone within milliseconds unless the kernel holds it. */
const UNKILLABLE_AFTER_MS = 2_000;

export interface ProbeCensusOptions extends Omit<ProbeClientOptions, 'onDead'> {
  source: string;
  log: Log;
}

/** Starts and kills probes, and counts those that have been killed and still exist. */
export class ProbeCensus {
  readonly #options: ProbeCensusOptions;
  readonly #living = new Set<ProbeClient>();
  readonly #dying = new Map<ProbeClient, NodeJS.Timeout>();
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: ProbeCensusOptions) {
    this.#options = options;
  }

  /** Whether one more may be started: should every process then turn out unkillable, there are still not too many. */
  hasRoom(): boolean {
    return this.#dying.size + this.#living.size < MAX_UNKILLABLE;
  }

  /** Resolves as soon as {@link hasRoom}. */
  async room(): Promise<void> {
    while (!this.hasRoom()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Starts a process; undefined when the system has none to give, and after the end. */
  start(): ProbeClient | undefined {
    if (this.#closed) return undefined;
    const { source, log } = this.#options;
    try {
      const probe = new ProbeClient(source, { ...this.#options, onDead: (dead) => this.#buried(dead) });
      this.#living.add(probe);
      return probe;
    } catch (error) {
      log.error({ source, err: error }, 'a probe process could not be started');
      return undefined;
    }
  }

  kill(probe: ProbeClient): void {
    if (probe.dead || this.#dying.has(probe)) return;
    const { source, log } = this.#options;
    const late = () =>
      log.error({ source, pid: probe.pid }, 'a probe process survives SIGKILL: the kernel holds it in a driver call');
    this.#living.delete(probe);
    this.#dying.set(probe, setTimeout(late, UNKILLABLE_AFTER_MS).unref());
    probe.kill();
  }

  /** Kills every process, and starts no more. Resolves when all are gone, or soon after when one cannot be killed. */
  async killAll(patienceMs: number): Promise<void> {
    this.#closed = true;
    for (const probe of this.#living) this.kill(probe);
    const end = performance.now() + patienceMs;
    while (this.#dying.size > 0 && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const timer of this.#dying.values()) clearTimeout(timer);
  }

  #buried(probe: ProbeClient): void {
    clearTimeout(this.#dying.get(probe));
    this.#living.delete(probe);
    this.#dying.delete(probe);
    for (const look of this.#waiting.splice(0)) look();
  }
}
