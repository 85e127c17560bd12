// Runs the Go watchers against a server's socket, in a process of their own on the drivers' core.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { gpuCount } from './gpus.ts';
import { watchersProgram } from './peer.ts';
import { driverCore } from './server.ts';

// What one run of watchers and a writer says; times in microseconds.
export interface Deliveries {
  watchers: number;
  events: number;
  deliveries: number;
  p50: number;
  p99: number;
  max: number;
}

export interface WatchRun {
  // The GPU whose status is updated.
  name: string;
  watchers: number;
  connections: number;
  // Updates a second, and for how many seconds.
  rate: number;
  seconds: number;
}

// Updates a GPU while watchers watch; an event that a watcher did not get is an error.
export async function measureDeliveries(socket: string, run: WatchRun): Promise<Deliveries> {
  const flags = ['-name', run.name, '-rate', String(run.rate), '-duration', `${run.seconds}s`];
  const watchers = await Watchers.start(socket, [...watchFlags(run.watchers, run.connections), ...flags]);
  const result: Deliveries = JSON.parse(await watchers.line());
  await watchers.stop();
  const expected = result.watchers * result.events;
  if (result.deliveries !== expected) throw new Error(`${result.deliveries} of ${expected} events were delivered`);
  return result;
}

// Watchers that only read, until they are stopped.
export function holdWatchers(socket: string, count: number): Promise<Watchers> {
  return Watchers.start(socket, watchFlags(count, count));
}

// Watchers that never read, until they are stopped.
export function holdStalledWatchers(socket: string, count: number): Promise<Watchers> {
  return Watchers.start(socket, ['-stalled', String(count)]);
}

function watchFlags(watchers: number, connections: number): string[] {
  return ['-watchers', String(watchers), '-connections', String(connections), '-gpus', String(gpuCount)];
}

// One process of watchers that says what it has to say line by line.
export class Watchers {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  private constructor(socket: string, flags: string[]) {
    const command = ['-c', driverCore, watchersProgram, '-socket', socket, ...flags];
    this.#child = spawn('taskset', command, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  // Returns when all watch.
  static async start(socket: string, flags: string[]): Promise<Watchers> {
    const watchers = new Watchers(socket, flags);
    await watchers.line();
    return watchers;
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the watchers ended: ${this.#errors.trim()}`);
    return value;
  }

  // A watcher whose stream had ended before is an error.
  async stop(): Promise<void> {
    const running = this.#child.exitCode === null && this.#child.signalCode === null;
    const ended = running ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await ended;
    if (this.#child.exitCode !== 0) throw new Error(`the watchers failed: ${this.#errors.trim()}`);
  }
}
