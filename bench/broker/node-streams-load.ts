// One load process of node-streams.ts: nodes that join, each on a TLS connection of its own, and beat.
//
// The joining is the agent's own code; the stream is driven here, because every answer to a beat is timed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { newId } from '../../src/broker/ids.ts';
import { brokerChannel, type Channel } from '../../src/broker-client/channel.ts';
import { CredentialMemory, type Credentials } from '../../src/broker-client/credential-store.ts';
import { enrol } from '../../src/broker-client/enrol.ts';
import { connectProof } from '../../src/broker-client/node-key.ts';
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
  /** How long to measure once `measure` is sent, in milliseconds. */
  readonly measureMs: number;
}

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

/** How many nodes join at the same time. */
const joining = 32;

class LoadNode {
  readonly #client: NodeLinkClient;
  readonly #stream: ClientDuplexStream<ConnectRequest, ConnectResponse>;
  readonly ready = Promise.withResolvers<void>();
  #sequence = 0n;
  #sentAt = 0;
  #isAnswered = true;
  beats = 0;
  missed = 0;
  broken = false;
  roundTrips: number[] = [];

  constructor({ address, credentials, options }: Channel, { credentialId, key }: Credentials, identity: NodeIdentity) {
    this.#client = new NodeLinkClient(address, credentials, options);
    this.#stream = this.#client.connect();
    this.#stream.on('error', (error) => {
      this.broken = true;
      this.ready.reject(error);
    });
    this.#stream.on('data', (message: ConnectResponse) => {
      if (message.nonce) {
        const proof = connectProof(key, credentialId, Buffer.from(message.nonce.nonce));
        this.#stream.write({ hello: { credentialId, proof, identity, time: new Date(), spoolId: newId() } });
      } else if (message.welcome) {
        this.#snapshot();
        this.ready.resolve();
      } else if (message.pullInventory) {
        this.#snapshot(message.pullInventory.id);
      } else if (message.heartbeatReply?.sequence === this.#sequence) {
        this.#isAnswered = true;
        this.roundTrips.push(performance.now() - this.#sentAt);
      }
    });
  }

  beat(): void {
    this.beats++;
    if (!this.#isAnswered) this.missed++;
    this.#isAnswered = false;
    this.#sentAt = performance.now();
    this.#sequence++;
    const heartbeat = { sequence: this.#sequence, time: new Date(), telemetryDropped: 0n, spooled: 0 };
    if (!this.broken) this.#stream.write({ heartbeat });
  }

  reset(): void {
    this.roundTrips = [];
    this.beats = 0;
    this.missed = 0;
  }

  close(): void {
    this.#stream.end();
    this.#client.close();
  }

  #snapshot(pullId?: string): void {
    const gpus = [Gpu.fromPartial({ device: { name: 'gpu-0', uuid: 'GPU-0', vendor: 'SIM', model: 'SIM' } })];
    this.#stream.write({ snapshot: { sequence: 0n, time: new Date(), gpus, pullId } });
  }
}

const nodes: LoadNode[] = [];

function tell(report: LoadReport): void {
  process.send?.(report);
}

async function join(order: LoadOrder, number: number): Promise<void> {
  const channel = brokerChannel(order.url, { ca: order.ca, clientCert: '', clientKey: '' });
  const identity: NodeIdentity = {
    nodeName: `node-${number}`,
    machineId: newId(),
    bootId: newId(),
    processId: newId(),
    agentVersion: 'bench',
    sources: ['simulated'],
  };
  const abort = AbortSignal.timeout(60_000);
  const credentials = await enrol({
    channel,
    store: new CredentialMemory(),
    token: () => order.token,
    identity,
    abort,
  });
  const node = new LoadNode(channel, credentials, identity);
  await node.ready.promise;
  nodes.push(node);
  beatForever(node, order.beatMs);
}

/** From a random moment on, so that the beats of all nodes are spread. */
async function beatForever(node: LoadNode, every: number): Promise<void> {
  await sleep(Math.random() * every);
  setInterval(() => node.beat(), every);
  node.beat();
}

async function connectAll(order: LoadOrder): Promise<void> {
  let next = order.first;
  const end = order.first + order.count;
  const worker = async () => {
    for (let number = next++; number < end; number = next++) await join(order, number);
  };
  await Promise.all(Array.from({ length: joining }, worker));
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
    broken: total(({ broken }) => Number(broken)),
  });
}

process.on('message', (message: LoadOrder | 'measure' | 'stop') => {
  const failed = (error: Error) => tell({ kind: 'failed', reason: error.message });
  if (message === 'stop') {
    for (const node of nodes) node.close();
    process.exit(0);
  }
  if (message === 'measure') measure(measureMs).catch(failed);
  else {
    measureMs = message.measureMs;
    connectAll(message).catch(failed);
  }
});
let measureMs = 0;
