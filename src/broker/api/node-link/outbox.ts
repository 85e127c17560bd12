// What the broker sends on one stream. Answers that a later one makes superfluous take one place each; commands wait in
// a bounded queue; so a node that does not read costs a few kilobytes until it is cut.
import type { Buffer } from 'node:buffer';
import { ConnectResponse } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { frameOf, type NodeCall } from './node-call.ts';

export class Outbox {
  readonly #call: NodeCall;
  readonly #most: number;
  #commands: Buffer[] = [];
  /** The heartbeat to answer; 0 for none. */
  #reply = 0n;
  #stored: { changeSequence: bigint; telemetrySequence: bigint } | undefined;
  /** Of these only the latest counts. */
  #held: readonly string[] | undefined;
  #blocked = false;
  #drains = 0;

  constructor(call: NodeCall, most: number) {
    this.#call = call;
    this.#most = most;
  }

  /** Whether the node has not read what was written. */
  get isBlocked(): boolean {
    return this.#blocked;
  }

  /** How often the node has read what was written, after it had not. */
  get drains(): number {
    return this.#drains;
  }

  /** False when too many wait already. */
  command(message: ConnectResponse): boolean {
    if (!this.#blocked) {
      this.#write(message);
      return true;
    }
    if (this.#commands.length >= this.#most) return false;
    this.#commands.push(encoded(message));
    return true;
  }

  held(gpus: readonly string[]): void {
    if (this.#blocked) this.#held = gpus;
    else this.#write({ heldGpus: { gpus: [...gpus] } });
  }

  reply(sequence: bigint): void {
    if (this.#blocked) this.#reply = sequence;
    else this.#write({ heartbeatReply: { sequence } });
  }

  stored(changeSequence: bigint, telemetrySequence: bigint): void {
    if (this.#blocked) this.#stored = { changeSequence, telemetrySequence };
    else this.#write({ stored: { changeSequence, telemetrySequence } });
  }

  /** The node has read what was written. */
  drain(): void {
    this.#blocked = false;
    this.#drains += 1;
    while (!this.#blocked) {
      const command = this.#commands.shift();
      if (command) this.#send(command);
      else if (this.#held) {
        const gpus = this.#held;
        this.#held = undefined;
        this.held(gpus);
      } else if (this.#stored) {
        const stored = this.#stored;
        this.#stored = undefined;
        this.#write({ stored });
      } else if (this.#reply > 0n) {
        const sequence = this.#reply;
        this.#reply = 0n;
        this.#write({ heartbeatReply: { sequence } });
      } else return;
    }
  }

  #write(message: ConnectResponse): void {
    this.#send(encoded(message));
  }

  #send(frame: Buffer): void {
    if (!this.#call.write(frame)) this.#blocked = true;
  }
}

function encoded(message: ConnectResponse): Buffer {
  return frameOf(ConnectResponse.encode(message).finish());
}
