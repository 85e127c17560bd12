// The agent's end of one probe process: starts it, hands it rounds, watches the deadline of the call in flight, kills
// it. It notices and reports; what follows from that is the supervisor's.
//
//   idle ──run()──▶ busy ──last answer──▶ idle
//                   busy ──deadline─────▶ hung   the call in flight did not return; only kill() is left
//   idle, busy ─────exit────────────────▶ dead   by itself, or by kill()
//   idle, busy, hung ──kill()──▶ dying ──exit──▶ dead   stays dying while the kernel holds it in a driver call
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Answer, Call, Round } from './protocol.ts';

/** How a round ended. A call of `hung` or `died` is the one in flight. */
export type RoundEnd =
  | { end: 'answered' }
  | { end: 'hung'; call: Call; deadline: number }
  | { end: 'died'; call: Call; how: string };

export interface ProbeClientOptions {
  /** How long a call may take, in milliseconds. */
  deadline: number;
  /** The same for `open`, which starts the process and the driver. */
  initDeadline: number;
  /** Called once, when the process no longer exists. */
  onDead: (probe: ProbeClient) => void;
  /** How a process is killed; tests replace it to stand for one that does not die. */
  kill?: ((process: ChildProcess) => void) | undefined;
}

const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './probe.ts' : './probe.js', import.meta.url));

/** A probe is small: these keep V8 from reserving what it would never use. */
const MEMORY_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=48', '--single-threaded-gc', '--v8-pool-size=0'];

/** What the drivers' libraries look at. Nothing else of the agent's environment, which may hold secrets. */
const INHERITED = /^(PATH|HOME|LANG|TZ|LD_LIBRARY_PATH|(NVIDIA|CUDA|FAKE_NVML|ROCR|HIP|ZE|ZES)_.*)$/;

/** One probe process. */
export class ProbeClient {
  readonly #options: ProbeClientOptions;
  readonly #process: ChildProcess;
  #pending: Round = [];
  #onAnswer: (answer: Answer) => void = () => {};
  #finish: ((end: RoundEnd) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerSet = 0;
  #death: string | undefined;

  /** Starts the process; `label` shows in the list of processes. */
  constructor(label: string, options: ProbeClientOptions) {
    this.#options = options;
    this.#process = fork(ENTRY, [label], {
      execArgv: MEMORY_FLAGS,
      env: inheritedEnvironment(),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (answer: Answer) => this.#answered(answer));
    this.#process.on('error', (error) => this.#processEnded(error.message));
    this.#process.on('exit', (code, signal) => this.#processEnded(signal ? `signal ${signal}` : `exit code ${code}`));
    // Answers written before the end may still be on their way when 'exit' comes; the channel closes after them.
    this.#process.on('disconnect', () => this.#reportDeath());
    this.#process.unref();
    this.#process.channel?.unref();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Whether the process no longer exists. */
  get dead(): boolean {
    return this.#death !== undefined;
  }

  /**
   * Makes the calls in order and hands over each answer as it comes. One round at a time. Never rejects.
   */
  run(round: Round, onAnswer: (answer: Answer) => void): Promise<RoundEnd> {
    if (this.#finish) throw new Error('the probe is busy');
    if (round.length === 0) return Promise.resolve({ end: 'answered' });
    return new Promise((resolve) => {
      this.#pending = [...round];
      this.#onAnswer = onAnswer;
      this.#finish = resolve;
      this.#reportDeath();
      // A write fails only when the process ends, which is reported on its own.
      if (this.#process.connected) this.#process.send(round, () => {});
      this.#watchDeadline();
    });
  }

  /** Ends the process without asking it. A round in progress is never heard of again. */
  kill(): void {
    this.#endRound(undefined);
    if (this.#options.kill) this.#options.kill(this.#process);
    else this.#process.kill('SIGKILL');
  }

  #answered(answer: Answer): void {
    if (!this.#finish) return;
    this.#pending.shift();
    clearTimeout(this.#timer);
    this.#onAnswer(answer);
    if (this.#pending.length > 0) this.#watchDeadline();
    else this.#endRound({ end: 'answered' });
  }

  #watchDeadline(): void {
    const call = this.#pending[0];
    if (!call) return;
    const deadline = call.call === 'open' ? this.#options.initDeadline : this.#options.deadline;
    this.#timerSet = performance.now();
    this.#timer = setTimeout(() => this.#deadlinePassed(call, deadline), deadline).unref();
  }

  /** The agent itself may have stood still: then answers wait to be read, or the probe stood still as well. */
  #deadlinePassed(call: Call, deadline: number): void {
    const stoodStill = performance.now() - this.#timerSet > 1.5 * deadline;
    setImmediate(() => {
      if (!this.#finish || this.#pending[0] !== call) return;
      if (stoodStill) this.#watchDeadline();
      else this.#endRound({ end: 'hung', call, deadline });
    });
  }

  #processEnded(how: string): void {
    if (this.#death !== undefined) return;
    this.#death = how;
    this.#reportDeath();
    this.#options.onDead(this);
  }

  /** Only when both the process and its channel have ended has everything been heard. */
  #reportDeath(): void {
    const call = this.#pending[0];
    const gone = this.#death !== undefined && !this.#process.connected;
    if (gone && call) this.#endRound({ end: 'died', call, how: this.#death ?? '' });
  }

  #endRound(end: RoundEnd | undefined): void {
    clearTimeout(this.#timer);
    const finish = this.#finish;
    this.#finish = undefined;
    this.#pending = [];
    if (end) finish?.(end);
  }
}

function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name)));
}
