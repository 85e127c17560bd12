// Keeps the embedded server running: a server that dies is started again, after a pause that grows.
//
//   up ──process ends──▶ down ──pause, start──▶ up
//                         │  ▲
//                         └──┘ the start fails: longer pause
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../../daemon/errors.ts';
import type { Log } from '../../../daemon/logger.ts';
import { type EmbeddedOptions, type EmbeddedServer, startEmbedded } from './server.ts';

/** Whether the server takes connections, and why not. */
export interface ServerState {
  readonly isUp: boolean;
  /** Empty when it is up. */
  readonly reason: string;
}

export interface SupervisedServer {
  readonly url: string;
  /** Of the process that runs now. */
  pid(): number;
  /** Calls the listener at every change; returns the function that ends this. */
  onState(listener: (state: ServerState) => void): () => void;
  stop(): Promise<void>;
}

/** Milliseconds: the pause before the first new start, doubled up to the longest. */
const pauses = { first: 100, longest: 30_000 };

/** A server that ran this long is sound: the next pause is the first again. */
const soundAfter = 60_000;

/** Starts the server and keeps it running until it is stopped. @throws what {@link startEmbedded} throws at first. */
export async function superviseEmbedded(options: EmbeddedOptions, log: Log): Promise<SupervisedServer> {
  const server = await startEmbedded(options);
  return new Supervisor(options, log, server);
}

class Supervisor implements SupervisedServer {
  readonly url: string;
  readonly #options: EmbeddedOptions;
  readonly #log: Log;
  readonly #listeners = new Set<(state: ServerState) => void>();
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #server: EmbeddedServer;

  constructor(options: EmbeddedOptions, log: Log, server: EmbeddedServer) {
    this.#options = options;
    this.#log = log;
    this.#server = server;
    this.url = server.url;
    this.#done = this.#keepRunning();
  }

  pid(): number {
    return this.#server.pid;
  }

  onState(listener: (state: ServerState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#server.stop();
    await this.#done;
  }

  async #keepRunning(): Promise<void> {
    let pause = pauses.first;
    for (;;) {
      const since = performance.now();
      await this.#server.ended;
      if (this.#stopping.signal.aborted) return;
      if (performance.now() - since > soundAfter) pause = pauses.first;
      this.#log.error({ pid: this.#server.pid }, 'PostgreSQL ended unexpectedly: starting it again');
      this.#tell({ isUp: false, reason: 'PostgreSQL ended and is being started again' });
      while (!(await this.#startAgain(pause))) {
        if (this.#stopping.signal.aborted) return;
        pause = Math.min(pause * 2, pauses.longest);
      }
      pause = Math.min(pause * 2, pauses.longest);
    }
  }

  async #startAgain(pause: number): Promise<boolean> {
    // Not to the millisecond, so that several servers of one machine do not start at once.
    const jittered = pause * (0.75 + Math.random() / 2);
    await sleep(jittered, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    if (this.#stopping.signal.aborted) return false;
    try {
      this.#server = await startEmbedded({ ...this.#options, abort: this.#stopping.signal });
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      this.#log.error({ err: error }, 'PostgreSQL does not start');
      this.#tell({ isUp: false, reason: messageOf(error) });
      return false;
    }
    if (this.#stopping.signal.aborted) await this.#server.stop();
    this.#log.info({ pid: this.#server.pid }, 'PostgreSQL runs again');
    this.#tell({ isUp: true, reason: '' });
    return true;
  }

  #tell(state: ServerState): void {
    for (const listener of this.#listeners) listener(state);
  }
}
