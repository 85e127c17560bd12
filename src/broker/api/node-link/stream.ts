// The stream of one node:
//
//   greeted   the nonce is sent                    -- hello                      -> proving
//   proving   the key is checked, the node's row stored, its place claimed       -> open
//   open      both sides send what they have
//   ended     the status is sent; a peer that keeps the stream open is reset some seconds later
//
// Every state ends with the peer's own end, with a message that breaks the protocol, and when the broker stops.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import type {
  ChallengeResult,
  ConnectResponse,
  Hello,
  NodeIdentity,
} from '../../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../../refusal.ts';
import type { LinkContext } from './context.ts';
import { type Joined, joinNode } from './join.ts';
import { outOfPlace, readMessage } from './messages.ts';
import { addressOf, type CallListener, NodeCall } from './node-call.ts';
import type { ChallengeWork } from './nodes.ts';
import { Outbox } from './outbox.ts';
import { Questions } from './questions.ts';
import { Reports } from './reports.ts';
import { Rotation } from './rotation.ts';
import { refusalOf, statusOf } from './status.ts';

export class NodeStream implements CallListener {
  readonly #context: LinkContext;
  readonly #call: NodeCall;
  readonly #outbox: Outbox;
  readonly #nonce = randomBytes(32);
  readonly #address: string;
  readonly #pulls: Questions<void>;
  readonly #challenges: Questions<ChallengeResult>;
  #state: 'greeted' | 'proving' | 'open' | 'ended' = 'greeted';
  /** When the state began, in milliseconds like all times here. */
  #since: number;
  #heardAt: number;
  #beatAt: number;
  /** Was silent too long at the last look: once more, and it is not the broker that was slow. */
  #suspected = false;
  /** When the node was last seen to read what it is sent. */
  #readAt = 0;
  #drainsSeen = 0;
  #nodeId = '';
  #identity: NodeIdentity | undefined;
  #reports: Reports | undefined;
  #rotation: Rotation | undefined;

  constructor(stream: ServerHttp2Stream, context: LinkContext) {
    const now = context.now().getTime();
    this.#context = context;
    this.#address = addressOf(stream);
    this.#since = now;
    this.#heardAt = now;
    this.#beatAt = now;
    this.#call = new NodeCall(stream, context.limits.firstMessageBytes, this);
    this.#pulls = new Questions(context.limits.questions);
    this.#challenges = new Questions(context.limits.questions);
    this.#outbox = new Outbox(this.#call, context.limits.waitingCommands);
    this.send({ nonce: { nonce: this.#nonce } });
    this.#call.readOn();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Whether the node was heard of in the last two heartbeats, or is not heard only because the broker does not read. */
  isLive(now: number): boolean {
    if (this.#state !== 'proving' && this.#state !== 'open') return false;
    return this.#state === 'proving' || this.#isHeld || now - this.#heardAt < 2 * this.#context.heartbeatInterval;
  }

  isSameBoot(other: NodeStream): boolean {
    const [one, two] = [this.#identity, other.#identity];
    return one?.machineId === two?.machineId && one?.bootId === two?.bootId;
  }

  /** Sends a command; a node that has not read its commands for too long is cut. False where it was not sent. */
  send(message: ConnectResponse): boolean {
    if (this.#state === 'ended') return false;
    if (this.#outbox.command(message)) return true;
    this.#cut();
    return false;
  }

  /** Says which of the node's GPUs trades hold; false where the stream is not open. */
  tellHeld(gpus: readonly string[]): boolean {
    if (!this.isOpen) return false;
    this.#outbox.held(gpus);
    return true;
  }

  /** Sends a challenge and waits for its answer; see `NodeLinks`. */
  async challenge(id: string, { kind, gpus, payload }: ChallengeWork, deadline: Date): Promise<ChallengeResult> {
    const challenge = { id, kind, gpus: [...gpus], payload: Buffer.from(payload), deadline };
    return this.#challenges.ask(id, this.#until(deadline), () => this.send({ challenge }));
  }

  async pullInventory(id: string, deadline: Date): Promise<void> {
    return this.#pulls.ask(id, this.#until(deadline), () => this.send({ pullInventory: { id } }));
  }

  /** Ends the stream; without a reason, in peace. */
  end(why: Refusal | undefined): void {
    if (this.#state === 'ended') return;
    this.#leave(why);
    this.#call.end(why && statusOf(why));
  }

  /** The regular look at what no message brings about; `now` in milliseconds. */
  look(now: number): void {
    const { limits } = this.#context;
    if (this.#state === 'greeted' && now - this.#since >= limits.helloDeadline)
      this.end(new Refusal('unavailable', 'GPUB_NODE_SILENT', 'no hello has come in time'));
    else if (this.#state === 'open') this.#lookAtNode(now);
    else if (this.#state === 'ended' && now - this.#since >= limits.resetAfter) this.#call.reset();
  }

  get #isHeld(): boolean {
    return this.#reports?.isFull ?? false;
  }

  #lookAtNode(now: number): void {
    const { limits } = this.#context;
    const ended = this.#rotation?.ended(now);
    if (ended) this.end(ended);
    if (!this.#outbox.isBlocked || this.#outbox.drains !== this.#drainsSeen) {
      this.#drainsSeen = this.#outbox.drains;
      this.#readAt = now;
    } else if (now - this.#readAt >= limits.readerStall) this.#cut();
    if (this.#state === 'open') this.#lookAtBeats(now);
  }

  #lookAtBeats(now: number): void {
    const { heartbeatInterval } = this.#context;
    if (this.#rotation?.isDue(now)) this.send({ rotateKey: {} });
    // Who is not read cannot be heard.
    if (this.#isHeld) this.#beatAt = now;
    if (now - this.#beatAt < 3 * heartbeatInterval) this.#suspected = false;
    else if (this.#suspected)
      this.end(new Refusal('unavailable', 'GPUB_NODE_SILENT', `no heartbeat came for ${3 * heartbeatInterval} ms`));
    else this.#suspected = true;
  }

  ended(): void {
    this.end(undefined);
  }

  unreadable(why: Refusal): void {
    this.end(why);
  }

  drain(): void {
    this.#outbox.drain();
  }

  message(bytes: Buffer): void {
    if (this.#state === 'ended') return;
    try {
      const at = this.#context.now();
      const message = readMessage(bytes);
      this.#heardAt = at.getTime();
      if (this.#reports) {
        if (message.heartbeat) this.#beatAt = this.#heardAt;
        this.#reports.take(message, bytes.length, at);
        if (!this.#isHeld) this.#call.readOn();
      } else if (message.hello) {
        this.#context.metrics.messages.hello += 1;
        void this.#prove(message.hello);
      } else throw outOfPlace('the first message of a node is its hello');
    } catch (error) {
      this.#fail(error);
    }
  }

  async #prove(hello: Hello): Promise<void> {
    this.#state = 'proving';
    const context = this.#context;
    try {
      const isGone = () => this.#state === 'ended';
      const joining = { hello, nonce: this.#nonce, address: this.#address, isGone };
      const joined = await joinNode(context, joining, (node) => {
        if (isGone()) return 'gone';
        this.#nodeId = node.nodeId;
        this.#identity = node.identity;
        return context.nodes.claim(node.nodeId, this) ? 'taken' : 'claimed';
      });
      if (joined) this.#open(hello, joined);
    } catch (error) {
      this.#fail(error);
    }
  }

  #open(hello: Hello, { node, resumption }: Joined): void {
    const context = this.#context;
    // Ended while its row was stored: nobody else says so to the ingest.
    if (this.#state === 'ended') {
      if (!context.nodes.has(node.nodeId))
        context.ingest.left(node.nodeId, node.identity.processId, 'the stream ended as it began');
      return;
    }
    const { changeSequence, telemetrySequence, cordoned, draining } = resumption;
    const now = context.now();
    this.#state = 'open';
    this.#since = now.getTime();
    this.#beatAt = now.getTime();
    this.#heardAt = now.getTime();
    this.#readAt = now.getTime();
    this.#rotation = new Rotation(context, node);
    this.#reports = new Reports({
      context,
      nodeId: node.nodeId,
      spoolId: hello.spoolId,
      outbox: this.#outbox,
      rotation: this.#rotation,
      pulls: this.#pulls,
      challenges: this.#challenges,
      stored: { changeSequence, telemetrySequence },
      fail: (error) => this.#fail(error),
      readOn: () => this.#call.readOn(),
    });
    this.#call.messageBytes = context.limits.messageBytes;
    this.send({
      welcome: {
        nodeId: node.nodeId,
        heartbeatMillis: context.heartbeatInterval,
        time: now,
        stored: { changeSequence, telemetrySequence },
        standing: { cordoned, draining },
        telemetryWindow: context.limits.telemetryWindow,
      },
    });
    context.log.info(
      { nodeId: node.nodeId, name: node.identity.nodeName, address: this.#address },
      'a node has connected',
    );
    context.onConnected?.(node.nodeId);
    this.#call.readOn();
  }

  #until(deadline: Date): number {
    return deadline.getTime() - this.#context.now().getTime();
  }

  #fail(error: unknown): void {
    this.end(refusalOf(error, this.#context.log, `the stream of ${this.#nodeId || this.#address}`));
  }

  #cut(): void {
    this.end(new Refusal('too-many', 'GPUB_NODE_STALLED', 'the node does not read what the broker sends'));
    // The status waits behind what is not read.
    this.#call.reset();
  }

  close(): void {
    if (this.#state !== 'ended')
      this.#leave(new Refusal('unavailable', 'GPUB_STREAM_CUT', 'the connection to the node was cut'));
    this.#context.nodes.closed(this);
  }

  #leave(why: Refusal | undefined): void {
    const { nodes, ingest, metrics, log, now } = this.#context;
    const wasOpen = this.#state === 'open';
    this.#state = 'ended';
    this.#since = now().getTime();
    if (why) metrics.refused(why.code);
    nodes.release(this.#nodeId, this);
    const reason = why ?? new Refusal('unavailable', 'GPUB_NODE_OFFLINE', 'the node has ended its stream');
    this.#pulls.failAll(reason);
    this.#challenges.failAll(reason);
    if (wasOpen) ingest.left(this.#nodeId, this.#identity?.processId ?? '', reason.message);
    log[wasOpen ? 'info' : 'debug'](
      { nodeId: this.#nodeId, address: this.#address, code: why?.code, reason: reason.message },
      'a stream has ended',
    );
  }
}
