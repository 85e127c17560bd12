// Keeps the state of a source's devices true while its driver may hang, crash or go away. It runs one main probe
// process, sweeps all devices with it at every interval, and decides what follows when an answer does not come.
//
// The main probe:
//
//   start ──▶ opening ──open answered──▶ sweeping ──┐ every interval: count, check each, sample when due, events;
//               │  ▲                       │  ▲─────┘ then the indices that are new, then the records to read; in
//               │  │                       │           the time that is left, waiting for events
//               │  └────back-off───────────┤
//               ├──open refused────────────┤         driver-gone: all devices `driver-gone`; close, wait, open again
//               └──hung or died────────────┴──▶ down ──▶ start
//
// What a probe that is down means, by the call that was in flight:
//
//   hung, names a device    that device and its parts `hung` and suspects (suspects.ts); a new probe starts at once
//                           without them
//   hung, names none        all devices `hung`; a new probe after a back-off
//   died                    nothing yet; a new probe after a short back-off
//   died twice in a row     on the same call for the same device: as if it had hung
//                           on calls that name none: all devices `probe-down`; a new probe after a longer back-off
//
// Other devices keep their state meanwhile. Only when the main probe has been down for a whole deadline do those turn
// `probe-down` that have not answered since.
//
// At most two processes that survive SIGKILL may exist (probe-census.ts): so with two of them none is started, the main
// probe neither, until one of them ends.
import type { ChildProcess } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../../daemon/logger.ts';
import { Backoff } from './backoff.ts';
import { Inventory } from './inventory.ts';
import { MAX_UNKILLABLE, ProbeCensus } from './probe-census.ts';
import type { ProbeClient, RoundEnd } from './probe-client.ts';
import {
  type Answer,
  type DeviceCall,
  describe,
  isRefusal,
  MAX_MESSAGE_LENGTH,
  type Refusal,
  type Round,
  type SourceOptions,
  type Target,
} from './protocol.ts';
import type { DeviceEvent } from './source.ts';
import { Suspects } from './suspects.ts';
import type { DeviceListener, DeviceView, SourceView } from './view.ts';

/** Back-off of a driver that is gone or hangs as a whole, in milliseconds. */
const DRIVER_BACKOFF = { first: 1_000, longest: 30_000 };
/** Back-off of a probe that died: the first one is meant to pass unnoticed. */
const CRASH_BACKOFF = { first: 200, longest: 30_000 };
/** Back-off of a device that hung. */
const SUSPECT_BACKOFF = { first: 1_000, longest: 60_000 };
/** Deaths in a row on one call for one device that make it a suspect; on calls that name none, the driver unusable. */
const DEATHS_UNTIL_SUSPECT = 2;
/** What deaths on calls that name no device are counted under: `open` may answer, and `count` kill the probe all the same. */
const DRIVER = 'the driver';
type Hung = Extract<RoundEnd, { end: 'hung' }>;
type Died = Extract<RoundEnd, { end: 'died' }>;

/** After an event the devices are looked at again this soon, for it may tell of a change; milliseconds from the last look. */
const LOOK_AFTER_EVENT_MS = 250;
/** Between one answer with events and the next wait, in milliseconds: a storm of them comes in parts. */
const REST_AFTER_EVENT_MS = 50;

/** How long stop() waits for killed processes to be gone, in milliseconds. */
const STOP_PATIENCE_MS = 200;
/** What a device or source says that was not heard of. */
const SILENCE = 'the probe process is down';
/** The same while none may be started. */
const NO_ROOM =
  `the probe process is down, and none is started: ${MAX_UNKILLABLE} killed ones still exist, held by the kernel in a ` +
  'driver call';
/** What a source says whose first probe cannot be started. */
const NO_PROCESS = 'no probe process could be started';

/** What a supervisor needs. All times in milliseconds. */
export interface SupervisorOptions {
  source: SourceOptions;
  /** From the start of one sweep to the start of the next. */
  interval: number;
  /** How long one driver call may take. */
  deadline: number;
  /** How long starting a probe and opening the driver may take. */
  initDeadline: number;
  /** How often the moving values of a device are read; at most once a sweep. */
  telemetryInterval: number;
  listener: DeviceListener;
  log: Log;
  /** Monotonic; `performance.now` when absent. */
  clock?: (() => number) | undefined;
  /** For the jitter of back-offs; `Math.random` when absent. */
  random?: (() => number) | undefined;
  /** How a process is killed; only a test that needs an unkillable one replaces it. */
  kill?: ((process: ChildProcess) => void) | undefined;
}

/** Watches the devices of one source. */
export interface Supervisor {
  /** Begins; returns at once. Once only. */
  start(): void;
  /** Ends every probe process; never waits for one that cannot be killed. No change is told after this. */
  stop(): Promise<void>;
  /** Reads the moving values of a device with every look at it, or as often as those of others again. */
  watchClosely(uuid: string, closely: boolean): void;
  /** What is known now; copies. */
  views(): { source: SourceView; devices: DeviceView[] };
}

/** Makes the supervisor of one source; it does nothing before {@link Supervisor.start}. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new ProbeSupervisor(options);
}

class ProbeSupervisor implements Supervisor {
  readonly #options: SupervisorOptions;
  readonly #listener: DeviceListener;
  readonly #clock: () => number;
  readonly #inventory: Inventory;
  readonly #census: ProbeCensus;
  readonly #suspects: Suspects;
  readonly #closely = new Set<string>();
  readonly #driverBackoff: Backoff;
  readonly #crashBackoff: Backoff;
  readonly #source: SourceView;
  #stopped = false;
  /** The main loop's only wait besides the one for an answer. */
  #pauseTimer: NodeJS.Timeout | undefined;
  #silenceTimer: NodeJS.Timeout | undefined;
  /** When the main probe went down last, and why it stays down. */
  #downAt = -Infinity;
  #downBecause = SILENCE;
  /** Whether the source can wait for events. */
  #waits = false;
  #sweepStarted = -Infinity;
  #sweepEnded = -Infinity;
  /** An event has come since the last sweep began. */
  #hurried = false;
  /** What the driver counted last. */
  #count = 0;
  /** The answers of the sweep in progress that were errors. */
  #refusals: Refusal[] = [];
  /** What the sweep in progress leaves out: a suspect that is released meanwhile has its turn in the next. */
  #avoided: ReadonlyMap<number, string> = new Map();
  /** Indices with an error in the sweep in progress, of which no uuid is known. */
  #unidentified = new Map<number, string>();
  /** The call that the last probe died on, and how many in a row did. */
  #deaths = { on: '', times: 0 };

  constructor(options: SupervisorOptions) {
    const { source, log, clock = () => performance.now(), random = Math.random } = options;
    const listener = this.#guarded(options.listener, log);
    this.#options = options;
    this.#listener = listener;
    this.#clock = clock;
    this.#source = startingSource(source.name);
    this.#inventory = new Inventory({ source: source.name, listener, log, clock });
    this.#census = new ProbeCensus({ ...options, source: source.name });
    this.#suspects = new Suspects({
      source,
      census: this.#census,
      log,
      backoff: { ...SUSPECT_BACKOFF, clock, random },
    });
    this.#driverBackoff = new Backoff({ ...DRIVER_BACKOFF, clock, random });
    this.#crashBackoff = new Backoff({ ...CRASH_BACKOFF, clock, random });
  }

  start(): void {
    void this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#pauseTimer);
    clearTimeout(this.#silenceTimer);
    this.#suspects.stop();
    await this.#census.killAll(STOP_PATIENCE_MS);
  }

  watchClosely(uuid: string, closely: boolean): void {
    if (closely) this.#closely.add(uuid);
    else this.#closely.delete(uuid);
  }

  views(): { source: SourceView; devices: DeviceView[] } {
    return { source: { ...this.#source }, devices: this.#inventory.views() };
  }

  /** One turn for every main probe. It never returns: stop() leaves it waiting for what no longer comes. */
  async #run(): Promise<void> {
    for (let restarts = 0; ; restarts += 1) {
      await this.#room();
      this.#tellSource({ restarts });
      const probe = this.#census.start();
      if (probe) {
        const down = await this.#serve(probe);
        this.#census.kill(probe);
        this.#watchSilence();
        if (down.end === 'hung') await this.#hung(probe, down);
        else if (down.end === 'died') await this.#died(probe, down);
      } else {
        this.#watchSilence();
        if (this.#source.state === 'starting') this.#tellSource({ state: 'failed', message: NO_PROCESS });
        await this.#pause(this.#crashBackoff.next());
      }
    }
  }

  /** Opens and sweeps until the probe hangs or dies. */
  async #serve(probe: ProbeClient): Promise<RoundEnd> {
    for (;;) {
      this.#refusals = [];
      let round = await this.#ask(probe, [{ call: 'open', source: this.#options.source }]);
      while (round.end === 'answered' && !this.#driverRefusal()) {
        round = await this.#awaitEvents(probe);
        if (round.end === 'answered' && !this.#driverRefusal()) round = await this.#sweep(probe);
      }
      if (round.end !== 'answered') return round;
      this.#driverGone(this.#driverRefusal()?.message ?? '');
      round = await this.#ask(probe, [{ call: 'close' }]);
      if (round.end !== 'answered') return round;
      await this.#pause(this.#driverBackoff.next());
    }
  }

  /**
   * Waits for the next sweep, and meanwhile for events: inside the driver, so that one is heard of at once and an idle
   * agent does not look for any.
   */
  async #awaitEvents(probe: ProbeClient): Promise<RoundEnd> {
    for (;;) {
      const left = this.#sweepStarted + this.#pauseBetween() - this.#clock();
      if (left < 1) return { end: 'answered' };
      if (!this.#waits) {
        await this.#pause(left);
        continue;
      }
      const waitMs = Math.floor(Math.min(left, this.#options.deadline / 2));
      const asked = this.#clock();
      const round = await this.#ask(probe, [{ call: 'events', waitMs }]);
      if (round.end !== 'answered' || this.#driverRefusal()) return round;
      // A driver that fails answers at once.
      await this.#pause(this.#hurried ? REST_AFTER_EVENT_MS : asked + waitMs - this.#clock());
    }
  }

  /** From the start of the last sweep to the start of the next one. */
  #pauseBetween(): number {
    const { interval } = this.#options;
    return this.#hurried ? Math.min(interval, LOOK_AFTER_EVENT_MS) : interval;
  }

  /** Looks at every device once. Stops at the first round that is not answered, or that finds the driver gone. */
  async #sweep(probe: ProbeClient): Promise<RoundEnd> {
    this.#sweepStarted = this.#clock();
    this.#hurried = false;
    this.#refusals = [];
    this.#unidentified.clear();
    this.#avoided = this.#suspects.messages();
    this.#inventory.beginSweep();
    const expected = this.#count;
    const rounds = [
      () => this.#regularRound(expected),
      () => this.#checks(expected, this.#count),
      () => this.#calls('read', this.#inventory.unread()),
    ];
    for (const round of rounds) {
      const end = await this.#ask(probe, round());
      if (end.end !== 'answered' || this.#driverRefusal()) return end;
    }
    this.#endSweep();
    return { end: 'answered' };
  }

  /** Everything that can be asked before the answer to `count` is known: one message on an ordinary day. */
  #regularRound(expected: number): Round {
    const { interval, telemetryInterval } = this.#options;
    const due = this.#clock() - telemetryInterval + interval / 2;
    // Samples are slow, so each sweep takes its share of them: no look at the devices waits for all.
    const samples = this.#calls('sample', this.#inventory.unsampled(due, interval / telemetryInterval, this.#closely));
    return [{ call: 'count' }, ...this.#checks(0, expected), ...samples, { call: 'events', waitMs: 0 }];
  }

  #checks(from: number, to: number): Round {
    const targets = Array.from({ length: Math.max(0, to - from) }, (_, offset) => ({ index: from + offset }));
    return this.#calls('check', targets);
  }

  #calls(call: DeviceCall['call'], targets: Target[]): Round {
    return targets.filter(({ index }) => !this.#avoided.has(index)).map((target) => ({ call, ...target }));
  }

  #ask(probe: ProbeClient, round: Round): Promise<RoundEnd> {
    if (this.#stopped) return forEver();
    return probe.run(round, (answer) => this.#take(answer));
  }

  #take(answer: Answer): void {
    if (this.#deaths.times > 0 && describe(answer) === this.#deaths.on) this.#deaths = { on: '', times: 0 };
    if (isRefusal(answer)) this.#refused(answer);
    else this.#accept(answer);
  }

  #accept(answer: Exclude<Answer, Refusal>): void {
    switch (answer.call) {
      case 'open':
        this.#inventory.condition = answer.condition;
        this.#waits = answer.waits;
        break;
      case 'count':
        this.#count = answer.count;
        break;
      case 'check':
        if (this.#counted(answer.index)) this.#inventory.answered(answer.index, answer);
        break;
      case 'read':
        this.#inventory.store(answer.record);
        break;
      case 'sample':
        this.#inventory.sampled(answer, answer.readings);
        break;
      case 'events':
        for (const event of answer.events) this.#takeEvent(event);
        break;
    }
  }

  /** What lies beyond the count is on its way out; without a count nothing is certain. */
  #counted(index: number): boolean {
    return index < this.#count && !this.#countRefusal();
  }

  #refused(refusal: Refusal): void {
    const { call, index, fault, message } = refusal;
    const { log } = this.#options;
    log.debug({ source: this.#source.name, call, index, fault, reason: message }, 'a driver call failed');
    if (index !== undefined && call !== 'sample' && fault !== 'driver-gone') {
      if (!this.#counted(index)) return;
      const known = call === 'check' ? this.#inventory.faulted(index, fault, message) : this.#inventory.knows(index);
      if (!known) this.#unidentified.set(index, message);
    }
    this.#refusals.push(refusal);
  }

  #takeEvent(event: DeviceEvent): void {
    this.#options.log.info({ source: this.#source.name, ...event }, 'the driver reports an event');
    this.#hurried = true;
    if (event.kind === 'mig-changed') this.#inventory.partsChanged(event.uuid);
    this.#listener.eventReported(this.#source.name, event);
  }

  #endSweep(): void {
    const countRefusal = this.#countRefusal();
    if (countRefusal) this.#inventory.setAll('failed', countRefusal.message);
    const complete = this.#avoided.size === 0 && !this.#refusals.some(({ call }) => call === 'check');
    for (const [index, message] of this.#avoided) {
      if (!this.#inventory.suspected(index, message)) this.#unidentified.set(index, message);
    }
    if (!countRefusal) this.#inventory.endSweep(complete);
    this.#sweepEnded = this.#clock();
    this.#downBecause = SILENCE;
    if (this.#deaths.on === DRIVER) this.#deaths = { on: '', times: 0 };
    if (countRefusal) this.#tellSource({ state: 'running', message: countRefusal.message });
    else this.#tellLook();
  }

  #tellLook(): void {
    const unidentified = this.#unidentified.size;
    this.#tellSource({
      state: 'running',
      message: this.#unidentifiedDevices(),
      counted: this.#count,
      enumerated: this.#source.enumerated || this.#inventory.size > 0 || unidentified === 0,
      unidentified,
    });
  }

  #unidentifiedDevices(): string {
    const devices = [...this.#unidentified].map(([index, why]) => `device ${index} cannot be identified: ${why}`);
    return devices.join('; ').slice(0, MAX_MESSAGE_LENGTH);
  }

  #driverRefusal(): Refusal | undefined {
    return this.#refusals.find(({ call, fault }) => call === 'open' || fault === 'driver-gone');
  }

  #countRefusal(): Refusal | undefined {
    return this.#refusals.find(({ call }) => call === 'count');
  }

  #driverGone(message: string): void {
    this.#inventory.setAll('driver-gone', message);
    this.#tellSource({ state: 'failed', message });
  }

  /** Waits until a new main probe may start. */
  async #hung(probe: ProbeClient, { call, deadline }: Hung): Promise<void> {
    const message = `${describe(call)} did not return within ${deadline / 1000} s`;
    this.#options.log.error(
      { source: this.#source.name, pid: probe.pid, call: describe(call), deadline },
      'the driver hangs',
    );
    if ('index' in call) {
      this.#isolate(call.index, message, probe);
    } else {
      this.#inventory.setAll('hung', message);
      this.#tellSource({ state: 'failed', message });
      await this.#pause(this.#driverBackoff.next());
    }
  }

  /** Waits until a new main probe may start. */
  async #died(probe: ProbeClient, { call, how }: Died): Promise<void> {
    const on = 'index' in call ? describe(call) : DRIVER;
    this.#deaths = { on, times: on === this.#deaths.on ? this.#deaths.times + 1 : 1 };
    this.#options.log.error(
      { source: this.#source.name, pid: probe.pid, call: describe(call), how },
      'the probe process died',
    );
    if (this.#deaths.times >= DEATHS_UNTIL_SUSPECT) this.#diedAgain(probe, { end: 'died', call, how });
    await this.#pause(this.#crashBackoff.next());
  }

  #diedAgain(probe: ProbeClient, { call, how }: Died): void {
    const where = `in ${describe(call)} (${how})`;
    if ('index' in call) {
      this.#isolate(call.index, `the probe process died ${this.#deaths.times} times in a row ${where}`, probe);
      this.#deaths = { on: '', times: 0 };
    } else {
      // Without the number of deaths: a message that changed with each would be a new version of every GPU.
      const message = `the probe process dies again and again ${where}`;
      this.#downBecause = message;
      this.#inventory.setAll('probe-down', message);
      this.#tellSource({ state: 'failed', message });
    }
  }

  #isolate(index: number, message: string, probe: ProbeClient): void {
    const known = this.#inventory.suspected(index, message);
    this.#suspects.add(index, this.#inventory.partsAt(index), message, probe);
    // A driver that names a device has it, though the look at all of them may take long to end.
    if (!known) this.#tellSource({ unidentified: Math.max(1, this.#source.unidentified) });
    if (this.#source.state === 'starting') this.#tellSource({ message });
  }

  /** Waits until a main probe may start. */
  async #room(): Promise<void> {
    if (this.#census.hasRoom()) return;
    this.#downBecause = NO_ROOM;
    await this.#census.room();
    this.#downBecause = SILENCE;
  }

  /** From now until one deadline later, a device may go without an answer and keep its state. */
  #watchSilence(): void {
    this.#downAt = this.#clock();
    if (!this.#silenceTimer) this.#endSilence(this.#downAt);
  }

  #endSilence(since: number): void {
    const end = () => {
      this.#silenceTimer = undefined;
      this.#inventory.setSilent(since, 'probe-down', this.#downBecause);
      if (this.#sweepEnded < since && this.#isUntold()) {
        this.#tellSource({ state: 'failed', message: this.#downBecause });
      }
      // Down again meanwhile: that time counts from its own beginning.
      if (this.#downAt > since) this.#endSilence(this.#downAt);
    };
    const delay = since + this.#options.deadline - this.#clock();
    this.#silenceTimer = setTimeout(end, Math.max(0, delay)).unref();
  }

  /** Whether the source does not say yet why its probe is down. A first start may take longer than a deadline. */
  #isUntold(): boolean {
    const { state, message } = this.#source;
    if (state === 'failed') return message === SILENCE;
    return state === 'running' || this.#downBecause === NO_ROOM;
  }

  #tellSource(changes: Partial<SourceView>): void {
    const before = { ...this.#source };
    Object.assign(this.#source, changes, { devices: this.#inventory.size });
    if (isDeepStrictEqual(before, this.#source)) return;
    const { name, state, message } = this.#source;
    if (state !== before.state || message !== before.message) {
      this.#options.log[message === '' ? 'info' : 'warn'](
        { source: name, state, reason: message },
        'source state changed',
      );
    }
    this.#listener.sourceChanged(this.#source);
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopped) return forEver();
    return new Promise((resolve) => {
      this.#pauseTimer = setTimeout(resolve, Math.max(0, ms)).unref();
    });
  }

  /** A listener may stop us, and one that throws must not end the sweep. */
  #guarded(listener: DeviceListener, log: Log): DeviceListener {
    const guard = (call: () => void) => {
      try {
        if (!this.#stopped) call();
      } catch (error) {
        log.error({ err: error }, 'a listener of device changes failed');
      }
    };
    return {
      deviceChanged: (device) => guard(() => listener.deviceChanged(device)),
      deviceRemoved: (uuid) => guard(() => listener.deviceRemoved(uuid)),
      eventReported: (source, event) => guard(() => listener.eventReported(source, event)),
      sourceChanged: (source) => guard(() => listener.sourceChanged(source)),
    };
  }
}

/** A source of which nothing is known yet. */
export function startingSource(name: string): SourceView {
  return { name, state: 'starting', message: '', devices: 0, restarts: 0, enumerated: false, unidentified: 0 };
}

/** Where the main loop ends: nobody waits for it, and it is forgotten with the supervisor. */
function forEver(): Promise<never> {
  return new Promise(() => {});
}
