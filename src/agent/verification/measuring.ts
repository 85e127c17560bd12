// The other end of the measuring process: starts it, hears what it reports, and kills it when its time is over.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ComputeError, type ComputeInfo } from './compute.ts';
import type { Draw, Order, Report } from './orders.ts';

const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './measure.ts' : './measure.js', import.meta.url),
);

/** What the libraries of devices look at. Nothing else of this process's environment, which may hold secrets. */
const inherited = /^(PATH|HOME|LANG|TZ|TMPDIR|LD_LIBRARY_PATH|(NVIDIA|CUDA|OCL|OPENCL|POCL|ROCR|HIP|ZE)_.*)$/;

/** One order under way. */
export interface Measuring {
  /** What is reported, until the process ends. @throws ComputeError for what failed, a deadline or a stop included */
  [Symbol.asyncIterator](): AsyncIterator<Report>;
  /** Answers a process that waits: that it may begin, or which rows to open. */
  say(said: Draw | 'begin'): void;
  /** Kills the process; what it had of the device comes back. */
  stop(): void;
  /** Resolves when the process is gone, and all that it had of the device with it. */
  readonly ended: Promise<void>;
}

/** @param deadline for all of it, in milliseconds */
export function startMeasuring(order: Order, deadline: number): Measuring {
  return new MeasuringProcess(order, deadline);
}

/** The devices that there are, in the order of their numbers. @throws ComputeError */
export async function listDevices(deadline = 30_000): Promise<readonly ComputeInfo[]> {
  for await (const report of startMeasuring({ kind: 'list' }, deadline)) {
    if (report.kind === 'devices') return report.devices;
  }
  return [];
}

class MeasuringProcess implements Measuring {
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  readonly #timer: NodeJS.Timeout;
  readonly #reports: Report[] = [];
  #ended: ComputeError | 'well' | undefined;
  #wake: () => void = () => undefined;

  constructor(order: Order, deadline: number) {
    this.#process = fork(entry, [order.kind], {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => inherited.test(name))),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    });
    this.ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      // One that could not be started never exits.
      this.#process.once('error', () => this.#process.pid === undefined && resolve());
    });
    this.#process.on('message', (report: Report) => this.#take(report));
    this.#process.on('error', (error) => this.#end(new ComputeError('failed', error.message)));
    this.#process.on('exit', (code, signal) => {
      const how = signal ? `signal ${signal}` : `exit code ${code}`;
      // What was reported before may still be on its way; the channel closes after it.
      if (code === 0)
        this.#process.channel ? this.#process.once('disconnect', () => this.#end('well')) : this.#end('well');
      else this.#end(new ComputeError('failed', `the measuring process ended with ${how}`));
    });
    this.#timer = setTimeout(() => {
      this.#end(new ComputeError('failed', `${order.kind} did not end within ${deadline / 1000} s`));
    }, deadline);
    this.#send(order);
  }

  say(said: Draw | 'begin'): void {
    this.#send(said);
  }

  stop(): void {
    this.#end(new ComputeError('failed', 'the measurement was stopped'));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Report> {
    try {
      for (;;) {
        const report = this.#reports.shift();
        if (report?.kind === 'failed') throw new ComputeError(report.fault, report.message);
        if (report) yield report;
        else if (this.#ended === 'well') return;
        else if (this.#ended) throw this.#ended;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#end('well');
    }
  }

  #take(report: Report): void {
    this.#reports.push(report);
    this.#wake();
  }

  #end(how: ComputeError | 'well'): void {
    this.#ended ??= how;
    clearTimeout(this.#timer);
    this.#process.kill('SIGKILL');
    this.#wake();
  }

  #send(message: Order | Draw | 'begin'): void {
    // A write fails only when the process ends, which is heard of on its own.
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}
