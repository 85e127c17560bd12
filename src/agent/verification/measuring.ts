// The other end of the measuring process: starts it, hears what it reports, and kills it when its time is over.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ComputeError, type ComputeInfo } from './compute.ts';
import type { Order, Report, Said } from './orders.ts';
import { type SurvivorListener, Survivors } from './survivors.ts';

const entry = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './measure.ts' : './measure.js', import.meta.url),
);

/** What the libraries of devices look at. Nothing else of this process's environment, which may hold secrets. */
const inherited = /^(PATH|HOME|LANG|TZ|TMPDIR|LD_LIBRARY_PATH|(NVIDIA|CUDA|OCL|OPENCL|POCL|ROCR|HIP|ZE)_.*)$/;

/** One order under way. */
export interface Measuring {
  /**
   * What is reported, until the process ends. Whoever iterates goes on only when it has {@link Measuring.ended}.
   *
   * @throws ComputeError for what failed, a deadline or a stop included
   */
  [Symbol.asyncIterator](): AsyncIterator<Report>;
  /** Tells a process that waits what comes next. */
  say(said: Said): void;
  /** Kills the process; what it had of the device comes back. */
  stop(): void;
  /**
   * Resolves when the process is gone, and all that it had of the device with it; or when it was killed and does not end,
   * which makes the device `busy` for whoever comes next.
   */
  readonly ended: Promise<void>;
}

/** How processes are started and killed. */
interface Terms {
  /** Those that could not be killed; by default of all orders of this program. */
  readonly survivors?: Survivors;
  /** Tests replace it to stand for a process that does not die. */
  readonly kill?: (process: ChildProcess) => void;
}

const allSurvivors = new Survivors();
let driverRoot = '';

/** From now on measuring processes look for NVIDIA's driver under this root too. */
export function lookUnderDriverRoot(root: string): void {
  driverRoot = root;
}

/** Tells of every process of this program that could not be killed. */
export function onSurvivor(listener: SurvivorListener): void {
  allSurvivors.onSurvivor(listener);
}

/**
 * Starts a process; where one that could not be killed is in the way, what comes of it is the fault `busy`.
 *
 * @param deadline for all of it, in milliseconds
 */
export function startMeasuring(order: Order, deadline: number, terms: Terms = {}): Measuring {
  const { survivors = allSurvivors, kill = (process) => void process.kill('SIGKILL') } = terms;
  const inTheWay = survivors.inTheWayOf(order);
  return inTheWay
    ? notStarted(new ComputeError('busy', inTheWay))
    : new MeasuringProcess(order, deadline, survivors, kill);
}

/** The devices that there are, in the order of their numbers. @throws ComputeError */
export async function listDevices(deadline = 30_000): Promise<readonly ComputeInfo[]> {
  for await (const report of startMeasuring({ kind: 'list' }, deadline)) {
    if (report.kind === 'devices') return report.devices;
  }
  return [];
}

function notStarted(why: ComputeError): Measuring {
  return {
    // biome-ignore lint/correctness/useYield: there is nothing to report.
    async *[Symbol.asyncIterator]() {
      throw why;
    },
    say: () => {},
    stop: () => {},
    ended: Promise.resolve(),
  };
}

class MeasuringProcess implements Measuring {
  readonly #gone = Promise.withResolvers<void>();
  readonly #process: ChildProcess;
  readonly #order: Order;
  readonly #survivors: Survivors;
  readonly #kill: (process: ChildProcess) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #reports: Report[] = [];
  #ended: ComputeError | 'well' | undefined;
  #isBuried = false;
  #wake: () => void = () => undefined;

  constructor(order: Order, deadline: number, survivors: Survivors, kill: (process: ChildProcess) => void) {
    this.#order = order;
    this.#survivors = survivors;
    this.#kill = kill;
    this.#process = fork(entry, [order.kind, driverRoot], {
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => inherited.test(name))),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
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

  get ended(): Promise<void> {
    return this.#gone.promise;
  }

  say(said: Said): void {
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
      await this.ended;
    }
  }

  #take(report: Report): void {
    this.#reports.push(report);
    this.#wake();
  }

  #end(how: ComputeError | 'well'): void {
    this.#ended ??= how;
    clearTimeout(this.#timer);
    this.#bury();
    this.#wake();
  }

  #bury(): void {
    if (this.#isBuried) return;
    this.#isBuried = true;
    const device = this.#order.kind === 'list' ? undefined : this.#order.device;
    this.#survivors.bury(this.#process, device).then(this.#gone.resolve);
    this.#kill(this.#process);
  }

  #send(message: Order | Said): void {
    // A write fails only when the process ends, which is heard of on its own.
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}
