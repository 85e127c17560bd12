// The link between a node and its broker, for as long as the node lives.
//
//   enrolling     no credential yet: the broker is asked for one             -- it came -> connecting
//   connecting    a session begins                                           -- its nonce came -> proving
//   proving       the node has signed the nonce                              -- its welcome came -> streaming
//   streaming     all is well                                                -- the session ended -> waiting
//   waiting       a random time, up to a bound that doubles from 0.5 s to 30 s and begins anew after a minute of
//                 streaming; 5 to 10 minutes where the broker says that this node may not connect
//                                                                            -> enrolling or connecting
//   stopped       by stop(), or because the broker refuses for good to let the node join
//
// What the node has to tell goes through the spool, whatever the state.

import { Backoff } from '../daemon/backoff.ts';
import { CodedError, messageOf } from '../daemon/errors.ts';
import type { Log } from '../daemon/logger.ts';
import type { Challenge, ChallengeResult, NodeIdentity, Standing } from '../wire/gpubroker/node/v1/node_link.ts';
import type { Channel } from './channel.ts';
import type { CredentialStore, Credentials } from './credential-store.ts';
import { EnrollFailed, enrol, isRefusal } from './enrol.ts';
import type { MeasurementSource } from './measurements.ts';
import type { NodeState } from './node-state.ts';
import { type Ending, Session, type SessionPhase } from './session.ts';
import type { Spool } from './spool/spool.ts';

/** Of the waits between attempts. */
export const backoffBounds = { first: 500, longest: 30_000 };
/** How long all must go well before the back-off begins anew. */
const healthyMs = 60_000;
/** The least wait where the broker has dismissed the node; up to as much again is added. */
const rareMs = 300_000;

export type LinkPhase = 'enrolling' | Exclude<SessionPhase, 'ended'> | 'waiting' | 'stopped';

/** How the link stands. */
export interface LinkState {
  readonly phase: LinkPhase;
  /** Why it does not stream, for people; empty where it does, or nothing went wrong yet. */
  readonly reason: string;
  /** Set once the node has joined. */
  readonly nodeId: string | undefined;
  /** How many sessions came after the first. */
  readonly reconnects: number;
  /** When the broker last said that it has stored something. */
  readonly lastStored: Date | undefined;
  readonly standing: Standing | undefined;
}

/** What a link needs. Nothing is shared between links but what is given to several. */
export interface LinkOptions {
  readonly channel: Channel;
  readonly store: CredentialStore;
  readonly spool: Spool;
  readonly source: NodeState;
  /** What is sent of measurements; by default none. */
  readonly measurements?: MeasurementSource | undefined;
  readonly identity: NodeIdentity;
  /** Asked for with every attempt to join. @throws CodedError when there is none */
  readonly token: () => string;
  /** Milliseconds between rounds of telemetry. */
  readonly telemetryInterval: number;
  readonly log: Log;
  readonly now?: () => Date;
  /** From 0 to 1. */
  readonly random?: () => number;
  /** Told of every change of the state. */
  readonly onChange?: (state: LinkState) => void;
  readonly onStanding?: (standing: Standing) => void;
  /** Told which GPUs of the node trades hold, by name: all of them each time. */
  readonly onHeld?: (gpus: readonly string[]) => void;
  /** Works on a challenge; by default every one is refused. */
  readonly onChallenge?: (challenge: Challenge) => Promise<Omit<ChallengeResult, 'id'>>;
  /** How long the link waits, in milliseconds, for tests. */
  readonly waits?: { readonly first: number; readonly longest: number; readonly rare: number };
}

/** A link. */
export interface BrokerLink {
  /**
   * Runs until {@link BrokerLink.stop}. Resolves when stopped.
   *
   * @throws CodedError (as a rejection) when the broker refuses for good to let the node join
   */
  run(): Promise<void>;
  /** Ends the session in good order; the spool is the caller's to close. */
  stop(): Promise<void>;
  readonly state: LinkState;
}

/** Makes a link; it does nothing before it runs. */
export function createBrokerLink(options: LinkOptions): BrokerLink {
  return new Link(options);
}

class Link implements BrokerLink {
  readonly #options: LinkOptions;
  readonly #random: () => number;
  readonly #now: () => Date;
  readonly #stopping = new AbortController();
  readonly #backoff: Backoff;
  #state: LinkState;
  #session: Session | undefined;
  #sessions = 0;
  #running: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => new Date());
    this.#backoff = new Backoff(options.waits ?? backoffBounds, this.#random);
    const { current } = options.store;
    const phase = current ? 'connecting' : 'enrolling';
    const nothing = { reason: '', reconnects: 0, lastStored: undefined, standing: undefined };
    this.#state = { phase, nodeId: current?.nodeId, ...nothing };
  }

  get state(): LinkState {
    return this.#state;
  }

  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#session?.stop();
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    const ends = [this.#spoolChanges(), this.#spoolTelemetry()];
    try {
      while (!this.#stopping.signal.aborted) {
        const wait = await this.#attempt();
        if (wait > 0) await this.#wait(wait);
      }
    } finally {
      for (const end of ends) end();
      this.#set({ phase: 'stopped' });
    }
  }

  /** Joins or connects once; returns for how long to wait then. */
  async #attempt(): Promise<number> {
    const credentials = this.#options.store.current ?? (await this.#enrol());
    if (!credentials) return this.#backoff.next();
    const ending = await this.#connect(credentials);
    if (ending.verdict === 'stopped') return 0;
    if (ending.verdict === 'renewed') {
      this.#options.log.info('the spool counts anew, so the node connects again');
      return this.#backoff.next();
    }
    const { log } = this.#options;
    if (ending.verdict === 'lasting') {
      log.error({ reason: ending.reason }, 'the broker does not let this node connect');
      this.#set({ phase: 'waiting', reason: `the broker does not let this node connect: ${ending.reason}` });
      return (this.#options.waits?.rare ?? rareMs) * (1 + this.#random());
    }
    log.warn({ reason: ending.reason }, 'the broker is away');
    this.#set({ phase: 'waiting', reason: ending.reason });
    return this.#backoff.next();
  }

  async #enrol(): Promise<Credentials | undefined> {
    const { channel, store, token, identity, log } = this.#options;
    this.#set({ phase: 'enrolling' });
    try {
      const joined = await enrol({ channel, store, token, identity, abort: this.#stopping.signal });
      log.info({ nodeId: joined.nodeId, key: joined.key.fingerprint }, 'the node has joined the broker');
      this.#set({ nodeId: joined.nodeId });
      this.#backoff.reset();
      return joined;
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      if (isRefusal(error) || !(error instanceof EnrollFailed || error instanceof CodedError)) throw error;
      log.warn({ reason: messageOf(error) }, 'the node cannot join the broker yet');
      this.#set({ phase: 'waiting', reason: `the node cannot join yet: ${messageOf(error)}` });
      return undefined;
    }
  }

  async #connect(credentials: Credentials): Promise<Ending> {
    const { channel, store, spool, source, measurements, identity, log } = this.#options;
    const aborted = this.#stopping.signal.aborted;
    if (aborted) return { verdict: 'stopped', reason: 'stopped' };
    this.#sessions += 1;
    this.#set({ phase: 'connecting', reconnects: this.#sessions - 1 });
    let healthy: NodeJS.Timeout | undefined;
    const session = new Session({
      channel,
      store,
      credentials,
      spool,
      source,
      measurements,
      identity,
      log,
      now: this.#now,
      random: this.#random,
      onPhase: (phase) => {
        if (phase === 'streaming') {
          log.info({ nodeId: credentials.nodeId }, 'connected to the broker');
          healthy = setTimeout(() => this.#backoff.reset(), healthyMs).unref();
          this.#set({ phase, reason: '' });
        } else if (phase !== 'ended') this.#set({ phase });
      },
      onStored: () => this.#set({ lastStored: this.#now() }),
      onStanding: (standing) => {
        this.#set({ standing });
        this.#options.onStanding?.(standing);
      },
      onHeld: (gpus) => this.#options.onHeld?.(gpus),
      onChallenge: this.#options.onChallenge ?? refuseChallenge,
    });
    this.#session = session;
    const ending = await session.ended;
    clearTimeout(healthy);
    this.#session = undefined;
    return ending;
  }

  /** From here on every change goes into the spool, and from there to the broker. */
  #spoolChanges(): () => void {
    const { source, spool } = this.#options;
    return source.subscribe((changes) => {
      for (const change of changes) spool.addChange({ time: this.#now(), ...change });
    });
  }

  /** The first round comes at a random moment of the interval, so that many nodes do not speak together. */
  #spoolTelemetry(): () => void {
    const { source, spool, telemetryInterval } = this.#options;
    const round = () => {
      const samples = source.samples();
      if (samples.length > 0) spool.addTelemetry({ time: this.#now(), samples });
    };
    let timer: NodeJS.Timeout;
    const next = (delay: number) => {
      timer = setTimeout(() => {
        next(telemetryInterval);
        round();
      }, delay).unref();
    };
    next(telemetryInterval * this.#random());
    return () => clearTimeout(timer);
  }

  #wait(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms).unref();
      signal.addEventListener('abort', done);
    });
  }

  #set(change: Partial<LinkState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onChange?.(this.#state);
  }
}

/** Nothing on this node can work on challenges yet. */
async function refuseChallenge({ kind }: Challenge): Promise<Omit<ChallengeResult, 'id'>> {
  return { payload: Buffer.alloc(0), refused: `not supported yet: ${kind.slice(0, 100)}` };
}
