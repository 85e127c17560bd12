// The broker of `gpubroker up`: a process of its own, started again when it dies, stopped with us.
//
//   starting ──it runs──▶ running ──dies──▶ waiting (1 s to 30 s, with jitter) ──▶ running …
//                            └──stop()──▶ SIGTERM ──▶ ended; once `force` is aborted, SIGKILL
import { type ChildProcess, spawn } from 'node:child_process';
import type { Log } from '../daemon/logger.ts';

interface BrokerProcessOptions {
  /** Its flags. */
  readonly flags: readonly string[];
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
}

const firstBackoff = 1_000;
const longestBackoff = 30_000;
/** One that ran for so long has not failed to start. */
const healthyAfter = 60_000;

export class BrokerProcess {
  readonly #options: BrokerProcessOptions;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #stopping = false;

  constructor(options: BrokerProcessOptions) {
    this.#options = options;
  }

  /** Its log goes where ours goes. */
  start(): void {
    const started = performance.now();
    // Without this process's V8 options: the memory of a node's daemon is too small for a broker.
    const program = process.argv[1] ?? '';
    const child = spawn(process.execPath, [program, 'broker', ...this.#options.flags], {
      // Nothing is said through the channel: it closes when this process is gone, and then the broker stops.
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.once('error', (error) => this.#options.log.error({ err: error }, 'the broker cannot be started'));
    child.once('exit', (code, signal) => this.#ended(code, signal, performance.now() - started));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether it failed again and again since it was started. */
  get hasFailed(): boolean {
    return this.#failures >= 3;
  }

  async stop(force: AbortSignal): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const kill = () => child.kill('SIGKILL');
    force.addEventListener('abort', kill, { once: true });
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill(force.aborted ? 'SIGKILL' : 'SIGTERM');
    });
    force.removeEventListener('abort', kill);
  }

  #ended(code: number | null, signal: NodeJS.Signals | null, ranMs: number): void {
    if (this.#stopping) return;
    this.#failures = ranMs > healthyAfter ? 1 : this.#failures + 1;
    const longest = Math.min(longestBackoff, firstBackoff * 2 ** (this.#failures - 1));
    const wait = longest / 2 + (this.#options.random() * longest) / 2;
    this.#options.log.error({ code, signal, wait: Math.round(wait) }, 'the broker has ended; it is started again');
    this.#timer = setTimeout(() => this.start(), wait);
  }
}
