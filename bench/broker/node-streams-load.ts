// One load process of node-streams.ts: nodes that join, each on a TLS connection of its own, and beat.
//
// The joining, and how a node tries again, is the agent's own code; the stream is driven here, because every answer to a
// beat is timed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { newId } from '../../src/broker/ids.ts';
import { brokerChannel, type Channel } from '../../src/broker-client/channel.ts';
import { CredentialMemory, type Credentials } from '../../src/broker-client/credential-store.ts';
import { EnrollFailed, enrol } from '../../src/broker-client/enrol.ts';
import { backoffBounds } from '../../src/broker-client/link.ts';
import { connectProof } from '../../src/broker-client/node-key.ts';
import { Backoff } from '../../src/daemon/backoff.ts';
import {
  type ConnectRequest,
  type ConnectResponse,
  Gpu,
  type NodeIdentity,
  NodeLinkClient,
} from '../../src/wire/gpubroker/node/v1/node_link.ts';

/** What a load process is told. */
export interface LoadOrder {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  /** The nodes of this process have the numbers from `first` on. */
  readonly first: number;
  readonly count: number;
  readonly beatMs: number;
}

/** Asks for figures: of the next `ms` milliseconds, or of when all nodes stream again after they were cut. */
export type LoadQuestion = { readonly measureMs: number } | 'reconnected' | 'stop';

/** What it tells. */
export type LoadReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'measured';
      /** Milliseconds. */
      readonly roundTrips: number[];
      /** Beats that were due. */
      readonly beats: number;
      /** Beats that were not answered before the next was due. */
      readonly missed: number;
      readonly broken: number;
    };

/** A node: it enrols, connects, and connects again, as an agent does. */
class LoadNode {
  readonly #order: LoadOrder;
  readonly #channel: Channel;
  readonly #identity: NodeIdentity;
  readonly #backoff = new Backoff(backoffBounds, Math.random);
  readonly #spoolId = newId();
  #stream: ClientDuplexStream<ConnectRequest, ConnectResponse> | undefined;
  #sequence = 0n;
  #sentAt = 0;
  #isAnswered = true;
  isStreaming = false;
  beats = 0;
  missed = 0;
  broken = 0;
  roundTrips: number[] = [];

  constructor(order: LoadOrder, number: number) {
    this.#order = order;
    this.#channel = brokerChannel(order.url, { ca: order.ca, clientCert: '', clientKey: '' });
    this.#identity = {
      nodeName: `node-${number}`,
      machineId: newId(),
      bootId: newId(),
      processId: newId(),
      agentVersion: 'bench',
      sources: ['simulated'],
    };
  }

  async run(): Promise<never> {
    const credentials = await this.#enrol();
    const { beatMs } = this.#order;
    setTimeout(() => setInterval(() => this.#beat(), beatMs), Math.random() * beatMs);
    for (;;) {
      await this.#connect(credentials);
      await sleep(this.#backoff.next());
    }
  }

  reset(): void {
    this.roundTrips = [];
    this.beats = 0;
    this.missed = 0;
    this.broken = 0;
  }

  async #enrol(): Promise<Credentials> {
    const store = new CredentialMemory();
    const { token } = this.#order;
    for (;;) {
      try {
        const abort = AbortSignal.timeout(60_000);
        const identity = this.#identity;
        const credentials = await enrol({ channel: this.#channel, store, token: () => token, identity, abort });
        this.#backoff.reset();
        return credentials;
      } catch (error) {
        if (!(error instanceof EnrollFailed)) throw error;
        await sleep(this.#backoff.next());
      }
    }
  }

  /** Resolves when the stream has ended. */
  #connect({ credentialId, key }: Credentials): Promise<void> {
    const { address, credentials, options } = this.#channel;
    const client = new NodeLinkClient(address, credentials, options);
    const stream = client.connect();
    this.#stream = stream;
    this.#sequence = 0n;
    this.#isAnswered = true;
    stream.on('data', (message: ConnectResponse) => {
      if (message.nonce) {
        const proof = connectProof(key, credentialId, Buffer.from(message.nonce.nonce));
        const identity = this.#identity;
        stream.write({ hello: { credentialId, proof, identity, time: new Date(), spoolId: this.#spoolId } });
      } else if (message.welcome) {
        this.isStreaming = true;
        this.#backoff.reset();
        this.#snapshot();
      } else if (message.pullInventory) {
        this.#snapshot(message.pullInventory.id);
      } else if (message.heartbeatReply?.sequence === this.#sequence) {
        this.#isAnswered = true;
        this.roundTrips.push(performance.now() - this.#sentAt);
      }
    });
    return new Promise((ended) => {
      const end = () => {
        if (this.isStreaming) this.broken++;
        this.isStreaming = false;
        client.close();
        ended();
      };
      stream.on('error', end);
      stream.on('end', end);
    });
  }

  #beat(): void {
    this.beats++;
    if (!this.#isAnswered || !this.isStreaming) this.missed++;
    if (!this.isStreaming) return;
    this.#isAnswered = false;
    this.#sentAt = performance.now();
    this.#sequence++;
    this.#stream?.write({
      heartbeat: { sequence: this.#sequence, time: new Date(), telemetryDropped: 0n, spooled: 0 },
    });
  }

  #snapshot(pullId?: string): void {
    const uuid = `GPU-${this.#spoolId}`;
    const gpus = [Gpu.fromPartial({ device: { name: 'gpu-0', uuid, vendor: 'SIM', model: 'SIM' } })];
    this.#stream?.write({ snapshot: { sequence: 0n, time: new Date(), gpus, pullId } });
  }
}

const nodes: LoadNode[] = [];

function tell(report: LoadReport): void {
  process.send?.(report);
}

function begin(order: LoadOrder): Promise<void> {
  for (let number = order.first; number < order.first + order.count; number++) {
    const node = new LoadNode(order, number);
    nodes.push(node);
    node.run().catch(failed);
  }
  return connected();
}

async function connected(): Promise<void> {
  while (!nodes.every(({ isStreaming }) => isStreaming)) await sleep(50);
  tell({ kind: 'connected' });
}

async function measure(ms: number): Promise<void> {
  for (const node of nodes) node.reset();
  await sleep(ms);
  const total = (of: (node: LoadNode) => number) => nodes.reduce((sum, node) => sum + of(node), 0);
  tell({
    kind: 'measured',
    roundTrips: nodes.flatMap(({ roundTrips }) => roundTrips),
    beats: total(({ beats }) => beats),
    missed: total(({ missed }) => missed),
    broken: total(({ broken }) => broken),
  });
}

/** The broker has gone away and comes again: waits until no node streams, and then until all do. */
async function reconnected(): Promise<void> {
  while (nodes.some(({ isStreaming }) => isStreaming)) await sleep(20);
  await connected();
}

function failed(error: unknown): void {
  tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
}

process.on('message', (message: LoadOrder | LoadQuestion) => {
  if (message === 'stop') process.exit(0);
  else if (message === 'reconnected') reconnected().catch(failed);
  else if ('measureMs' in message) measure(message.measureMs).catch(failed);
  else begin(message).catch(failed);
});
