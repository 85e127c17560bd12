// One stream to the broker, from its first message to its end.
//
//   connecting   the nonce is awaited                     -- Nonce -> proving
//   proving      hello is sent, the welcome is awaited    -- Welcome, its counts fit the spool -> streaming
//   streaming    heartbeats; changes, snapshots, measurements, telemetry as the stream takes them; what the broker
//                asks for
//   ended        by the broker, the network, its silence (three beats without an answer), a renewed spool, or stop()
//
// Answers to heartbeats prove that the broker lives. What is written but not taken is at most what the stream buffers.
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { messageOf } from '../daemon/errors.ts';
import type { Log } from '../daemon/logger.ts';
import {
  type Challenge,
  type ChallengeResult,
  type ConnectRequest,
  type ConnectResponse,
  type Credential,
  type NodeIdentity,
  NodeLinkClient,
  type Standing,
  type Stored,
  type Welcome,
} from '../wire/gpubroker/node/v1/node_link.ts';
import { Beats } from './beats.ts';
import type { Channel } from './channel.ts';
import type { CredentialStore, Credentials } from './credential-store.ts';
import { MeasurementQueue, type MeasurementSource } from './measurements.ts';
import { connectProof, rotateProof } from './node-key.ts';
import type { NodeState } from './node-state.ts';
import { Outbox, SpoolRenewed } from './outbox.ts';
import { judgeConnect, saidBy, type Verdict } from './refusal.ts';
import type { Spool } from './spool/spool.ts';

/** How long each of nonce and welcome may take: thousands of nodes may come back to a broker at once. */
const handshakeMs = 30_000;
/** How long the broker may take to end the stream in good order. */
const farewellMs = 500;

export type SessionPhase = 'connecting' | 'proving' | 'streaming' | 'ended';

/** Why a session has ended. */
export interface Ending {
  readonly verdict: Verdict | 'renewed' | 'stopped';
  /** For people. */
  readonly reason: string;
}

/** What a session needs. */
export interface SessionOptions {
  readonly channel: Channel;
  readonly store: CredentialStore;
  readonly credentials: Credentials;
  readonly identity: NodeIdentity;
  readonly spool: Spool;
  readonly source: NodeState;
  readonly measurements?: MeasurementSource | undefined;
  readonly log: Log;
  readonly now: () => Date;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Told of every step. */
  readonly onPhase: (phase: SessionPhase) => void;
  /** Told that the broker has stored something. */
  readonly onStored: () => void;
  readonly onStanding: (standing: Standing) => void;
  /** Told which GPUs of the node trades hold, by name. */
  readonly onHeld: (gpus: readonly string[]) => void;
  /** Works on a challenge; a rejection becomes the reason of the refusal. */
  readonly onChallenge: (challenge: Challenge) => Promise<Omit<ChallengeResult, 'id'>>;
}

/** One stream. */
export class Session {
  readonly #options: SessionOptions;
  readonly #client: NodeLinkClient;
  readonly #call: ClientDuplexStream<ConnectRequest, ConnectResponse>;
  readonly #ended = Promise.withResolvers<Ending>();
  #phase: SessionPhase = 'connecting';
  /** The spool's id as the hello named it. */
  #spoolId = '';
  #handshake: NodeJS.Timeout | undefined;
  #outbox: Outbox | undefined;
  #measurements: MeasurementQueue | undefined;
  #beats: Beats | undefined;
  #unsubscribe: readonly (() => void)[] = [];
  #pumping = false;
  #pumpAgain = false;
  /** The stream takes no more until it says so. */
  #full = false;
  #stopping = false;

  /** Begins to connect. */
  constructor(options: SessionOptions) {
    this.#options = options;
    const { address, credentials, options: channelOptions } = options.channel;
    this.#client = new NodeLinkClient(address, credentials, channelOptions);
    this.#call = this.#client.connect();
    this.#call.on('data', (message: ConnectResponse) => this.#receive(message));
    this.#call.on('drain', () => {
      this.#full = false;
      this.#pump();
    });
    this.#call.on('error', (error: ServiceError) => this.#failed(error));
    this.#call.on('end', () => this.#end({ verdict: 'passing', reason: 'the broker ended the stream' }));
    this.#await();
  }

  /** Settles when the session is over and everything of it is gone. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  /** Ends in good order, or else soon. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#phase === 'streaming') {
      this.#call.end();
      setTimeout(() => this.#end({ verdict: 'stopped', reason: 'stopped' }), farewellMs).unref();
    } else {
      this.#end({ verdict: 'stopped', reason: 'stopped' });
    }
    await this.ended;
  }

  #receive(message: ConnectResponse): void {
    if (this.#phase === 'ended') return;
    try {
      this.#handle(message);
    } catch (error) {
      this.#end({ verdict: 'passing', reason: messageOf(error) });
    }
  }

  #handle(message: ConnectResponse): void {
    if (message.nonce) this.#prove(message.nonce.nonce);
    else if (message.welcome) this.#begin(message.welcome);
    else if (!this.#outbox) throw new Error('the broker sent something else before its welcome');
    else this.#obey(message, this.#outbox);
  }

  #obey(message: ConnectResponse, outbox: Outbox): void {
    const { heartbeatReply, stored, pullInventory, rotateKey, credential, challenge, standing, heldGpus } = message;
    if (heartbeatReply) this.#beats?.answered(heartbeatReply.sequence);
    else if (stored) this.#trim(stored, outbox);
    else if (pullInventory) outbox.pull(pullInventory.id);
    else if (rotateKey) this.#rotate();
    else if (credential) this.#adopt(credential);
    else if (challenge) this.#work(challenge);
    else if (standing) this.#options.onStanding(standing);
    else if (heldGpus) this.#options.onHeld(heldGpus.gpus);
    else if (message.measurementStored) this.#measurements?.stored(message.measurementStored.id);
    this.#pump();
  }

  #prove(nonce: Buffer): void {
    if (this.#phase !== 'connecting') throw new Error('the broker sent a second nonce');
    const { credentials, identity, now, spool } = this.#options;
    const { credentialId, key } = credentials;
    const proof = connectProof(key, credentialId, nonce);
    this.#step('proving');
    this.#call.write({ hello: { credentialId, proof, identity, time: now(), spoolId: spool.id } });
    this.#spoolId = spool.id;
    this.#await();
  }

  #begin({ stored, heartbeatMillis, telemetryWindow, standing }: Welcome): void {
    if (this.#phase !== 'proving') throw new Error('the broker sent a welcome out of turn');
    const { spool, source, measurements, now, random } = this.#options;
    const has = stored ?? { changeSequence: 0n, telemetrySequence: 0n };
    if (this.#spoolId === spool.id && !spool.fits(has)) spool.renew();
    if (this.#spoolId !== spool.id) {
      this.#end(renewed);
      return;
    }
    clearTimeout(this.#handshake);
    spool.trim(has);
    this.#options.onStored();
    const queue = measurements && new MeasurementQueue(measurements, () => performance.now(), random);
    this.#measurements = queue;
    this.#outbox = new Outbox({ spool, source, measurements: queue, now, stored: has, window: telemetryWindow });
    const pump = () => this.#pump();
    this.#unsubscribe = [spool.subscribe(pump), ...(measurements ? [measurements.onNew(pump)] : [])];
    this.#beats = new Beats(heartbeatMillis, {
      now,
      spool,
      send: (heartbeat) => this.#beat(heartbeat),
      silent: () => this.#end({ verdict: 'passing', reason: 'the broker has not answered three heartbeats' }),
    });
    this.#step('streaming');
    if (standing) this.#options.onStanding(standing);
    this.#pump();
  }

  /** A stream that takes nothing gets no beats on top. */
  #beat(heartbeat: ConnectRequest): boolean {
    if (this.#full || this.#phase !== 'streaming') return false;
    this.#write(heartbeat);
    return true;
  }

  #trim(stored: Stored, outbox: Outbox): void {
    const { spool } = this.#options;
    if (this.#spoolId !== spool.id) {
      this.#end(renewed);
      return;
    }
    if (stored.changeSequence > spool.lastChange || stored.telemetrySequence > spool.lastTelemetry) {
      throw new Error('the broker says that it has stored what was never sent');
    }
    spool.trim(stored);
    outbox.stored(stored);
    this.#options.onStored();
  }

  #rotate(): void {
    const { store, credentials, log } = this.#options;
    // The one before has got its credential, which the broker knows to be kept only after the next hello with it.
    if (store.current && store.current.credentialId !== credentials.credentialId) return;
    try {
      const key = store.waitingKey();
      this.#answer({ newKey: { publicKey: key.publicKey, proof: rotateProof(key, credentials.credentialId) } });
      log.info({ key: key.fingerprint }, 'the broker asks for a new key');
    } catch (error) {
      log.error({ err: error }, 'the key is not rotated');
    }
  }

  #adopt(credential: Credential): void {
    const { store, credentials, log } = this.#options;
    const { nodeId, credentialId } = store.current ?? credentials;
    // Said again, or not asked for.
    if (credential.id === '' || credential.id === credentialId || credentialId !== credentials.credentialId) return;
    try {
      const { key } = store.adopt(nodeId, credential);
      log.info({ key: key.fingerprint, expiresAt: credential.expiresAt }, 'the new key has its credential');
    } catch (error) {
      log.error({ err: error }, 'the new credential is not kept, so the one before is used');
    }
  }

  #work(challenge: Challenge): void {
    const { id } = challenge;
    this.#options
      .onChallenge(challenge)
      .catch((error: unknown) => ({ payload: Buffer.alloc(0), refused: messageOf(error) }))
      .then(({ payload, refused }) => {
        if (this.#phase !== 'streaming') return;
        this.#answer({ challengeResult: { id, payload, refused } });
        this.#pump();
      });
  }

  #answer(message: ConnectRequest): void {
    if (this.#outbox?.answer(message)) return;
    this.#end({ verdict: 'passing', reason: 'the broker asks for much and reads nothing' });
  }

  /** Writes what there is for as long as the stream takes it. */
  #pump(): void {
    this.#pumpAgain = true;
    if (this.#pumping) return;
    this.#pumping = true;
    this.#pumpAll()
      .catch((error: unknown) => {
        this.#end(error instanceof SpoolRenewed ? renewed : { verdict: 'passing', reason: messageOf(error) });
      })
      .finally(() => {
        this.#pumping = false;
      });
  }

  async #pumpAll(): Promise<void> {
    while (this.#pumpAgain) {
      this.#pumpAgain = false;
      while (!this.#full && this.#phase === 'streaming' && !this.#stopping) {
        const message = await this.#outbox?.next();
        if (!message || this.#phase !== 'streaming' || this.#stopping) break;
        this.#write(message);
      }
    }
  }

  #write(message: ConnectRequest): void {
    this.#full = !this.#call.write(message);
  }

  /** Bounds the time until the next step of the handshake. */
  #await(): void {
    clearTimeout(this.#handshake);
    this.#handshake = setTimeout(() => {
      this.#end({ verdict: 'passing', reason: `the broker did not answer within ${handshakeMs / 1000} s` });
    }, handshakeMs).unref();
  }

  #step(phase: SessionPhase): void {
    this.#phase = phase;
    this.#options.onPhase(phase);
  }

  #failed(error: ServiceError): void {
    if (this.#stopping || (error.code === status.CANCELLED && this.#phase === 'ended')) {
      this.#end({ verdict: 'stopped', reason: 'stopped' });
    } else {
      this.#end({ verdict: judgeConnect(error), reason: saidBy(error) });
    }
  }

  #end(ending: Ending): void {
    if (this.#phase === 'ended') return;
    clearTimeout(this.#handshake);
    this.#beats?.stop();
    for (const end of this.#unsubscribe) end();
    this.#step('ended');
    this.#call.cancel();
    this.#client.close();
    this.#ended.resolve(this.#stopping ? { verdict: 'stopped', reason: 'stopped' } : ending);
  }
}

const renewed: Ending = { verdict: 'renewed', reason: 'the spool counts anew' };
