// The life of a daemon: start in order, serve, stop in reverse upon a signal, and never hang while stopping.
//
//   starting ──all steps started──▶ serving ──signal──▶ delaying ──shutdown delay over──▶ draining ──▶ exit 0
//      │                               └── a part fails ──▶ draining ──▶ exit 1              │
//      ├── a step fails ──▶ draining what was started ──▶ exit 1          shutdown timeout over: force, exit 0
//      └── signal ──▶ draining what was started ──▶ exit 0
//
// From the first signal on the daemon is not ready. A second signal exits at once with 128 + its number. An error that
// nobody caught is logged and exits with 1: the state of the process is not known any more.
import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from './duration.ts';
import { CodedError, messageOf, startFailed } from './errors.ts';
import type { Log } from './logger.ts';
import type { Readiness } from './readiness.ts';

/** A part of a daemon. A start that fails cleans up after itself: only steps that started are stopped. */
export interface Step {
  readonly name: string;
  /** `abort` is aborted if the daemon is asked to stop while it starts. */
  start(abort: AbortSignal): void | Promise<void>;
  /** Finishes what is in progress; once `force` is aborted, cuts it. */
  stop?(force: AbortSignal): void | Promise<void>;
  /** Called once started: resolves if the part later fails in a way that must end the daemon, with the reason. */
  failed?(): Promise<Error>;
}

/** The part of `process` that a life depends on. */
export interface ProcessHost {
  on(event: string, listener: (argument: unknown) => void): unknown;
  off(event: string, listener: (argument: unknown) => void): unknown;
  exit(code: number): void;
}

export interface LifecycleOptions {
  readonly steps: readonly Step[];
  readonly log: Log;
  readonly readiness: Readiness;
  /** Milliseconds between "not ready" and the first stop. */
  readonly shutdownDelay: number;
  /** Milliseconds from then until force. */
  readonly shutdownTimeout: number;
  /** The real process by default. */
  readonly host?: ProcessHost;
}

/** SIGHUP comes when the terminal of `gpubroker up` is closed. */
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
type Signal = keyof typeof signalNumbers;

/** How long forced steps may take, in milliseconds. */
const forceGrace = 1000;

/** Lives from start to exit. Resolves with the exit code, after `host.exit` was called with it. */
export function runLifecycle(options: LifecycleOptions): Promise<number> {
  return new Life(options).run();
}

class Life {
  readonly #options: LifecycleOptions;
  readonly #host: ProcessHost;
  /** Started and not yet stopped, in the order of their start. */
  readonly #running: Step[] = [];
  readonly #shutdown = new AbortController();
  readonly #exited = Promise.withResolvers<number>();

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.#host = options.host ?? process;
  }

  async run(): Promise<number> {
    const unlisten = this.#listen();
    this.#live().then(
      (code) => this.#exit(code),
      (error: unknown) => this.#crash(error),
    );
    const code = await this.#exited.promise;
    unlisten();
    return code;
  }

  async #live(): Promise<number> {
    const { log, readiness, shutdownDelay } = this.#options;
    readiness.notReady('startup', 'still starting');
    try {
      await this.#start();
    } catch (error) {
      if (!this.#shutdown.signal.aborted) {
        log.fatal({ err: error }, 'start failed');
        await this.#drain();
        return 1;
      }
      log.debug({ err: error }, 'start given up');
    }
    if (!this.#shutdown.signal.aborted) {
      readiness.ok('startup');
      log.info('started');
      const failure = await this.#serve();
      if (failure) {
        log.fatal({ err: failure }, 'cannot go on');
        readiness.notReady('shutdown', messageOf(failure));
        await this.#drain();
        return 1;
      }
      if (shutdownDelay > 0) await sleep(shutdownDelay);
    }
    await this.#drain();
    log.info('stopped');
    return 0;
  }

  /** Waits for a signal, or for the failure of a part. */
  #serve(): Promise<Error | undefined> {
    const failures = this.#running.map((step) => step.failed?.() ?? new Promise<never>(() => undefined));
    return Promise.race([aborted(this.#shutdown.signal).then(() => undefined), ...failures]);
  }

  async #start(): Promise<void> {
    for (const step of this.#options.steps) {
      if (this.#shutdown.signal.aborted) return;
      try {
        await step.start(this.#shutdown.signal);
      } catch (error) {
        throw explained(step, error);
      }
      this.#running.push(step);
      this.#options.log.debug({ step: step.name }, 'step started');
    }
  }

  /** Stops in reverse; gives up on steps that do not stop even by force. */
  async #drain(): Promise<void> {
    const { log, shutdownTimeout } = this.#options;
    const force = new AbortController();
    const over = new AbortController();
    const forced = sleep(shutdownTimeout, undefined, { signal: over.signal }).then(() => {
      log.warn(
        { steps: this.#running.map(({ name }) => name) },
        `not stopped in ${formatDuration(shutdownTimeout)}: forcing`,
      );
      force.abort();
      return sleep(forceGrace, undefined, { signal: over.signal });
    });
    await Promise.race([this.#stopAll(force.signal), forced]);
    forced.catch(() => {});
    over.abort();
  }

  async #stopAll(force: AbortSignal): Promise<void> {
    for (let step = this.#running.at(-1); step; step = this.#running.at(-1)) {
      try {
        await step.stop?.(force);
        this.#options.log.debug({ step: step.name }, 'step stopped');
      } catch (error) {
        this.#options.log.error({ err: error, step: step.name }, 'step failed to stop');
      }
      this.#running.pop();
    }
  }

  #listen(): () => void {
    const signals = Object.keys(signalNumbers) as Signal[];
    const listeners: [string, (argument: unknown) => void][] = [
      ...signals.map((signal): [string, () => void] => [signal, () => this.#signal(signal)]),
      ['uncaughtException', (error) => this.#crash(error)],
      ['unhandledRejection', (error) => this.#crash(error)],
    ];
    for (const [event, listener] of listeners) this.#host.on(event, listener);
    return () => {
      for (const [event, listener] of listeners) this.#host.off(event, listener);
    };
  }

  #signal(signal: Signal): void {
    const { log, readiness, shutdownDelay } = this.#options;
    if (this.#shutdown.signal.aborted) {
      log.warn({ signal }, 'second signal: exiting at once');
      this.#exit(128 + signalNumbers[signal]);
      return;
    }
    log.info({ signal, shutdownDelay: formatDuration(shutdownDelay) }, 'stopping');
    readiness.notReady('shutdown', `stopping after ${signal}`);
    this.#shutdown.abort();
  }

  #crash(error: unknown): void {
    this.#options.log.fatal({ err: error }, 'unexpected error: exiting');
    this.#exit(1);
  }

  #exit(code: number): void {
    this.#host.exit(code);
    this.#exited.resolve(code);
  }
}

/** A failure of the outside says which step it stopped; a fault of the program keeps its stack as the cause. */
function explained(step: Step, error: unknown): Error {
  if (error instanceof CodedError) return error;
  const explanation = startFailed(step.name, messageOf(error));
  explanation.cause = error;
  return explanation;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
