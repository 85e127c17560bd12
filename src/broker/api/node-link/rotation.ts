// Asks a node for a new key in time, and gives it the credential of that key.
import type { NewKey } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../../refusal.ts';
import {
  type AuthenticatedNode,
  type IssuedCredential,
  rotate,
  rotationDue,
} from '../../registry/joining/credentials.ts';
import type { LinkContext } from './context.ts';
import { outOfPlace } from './messages.ts';

export class Rotation {
  readonly #context: LinkContext;
  readonly #node: AuthenticatedNode;
  /** When the node is asked next, in milliseconds. */
  #askAt: number;
  #state: 'waiting' | 'asked' | 'issuing' | 'done' = 'waiting';

  constructor(context: LinkContext, node: AuthenticatedNode) {
    this.#context = context;
    this.#node = node;
    this.#askAt = rotationDue(node.credential);
  }

  /** Whether the node is to be asked for a new key now; it counts as asked then. */
  isDue(now: number): boolean {
    if (now < this.#askAt || this.#state === 'issuing' || this.#state === 'done') return false;
    this.#state = 'asked';
    this.#askAt = now + this.#context.limits.rotationRetry;
    return true;
  }

  /**
   * Issues the credential of the node's new key. It is good at the next hello; this stream goes on with the old one.
   *
   * @throws Refusal as `rotate` does; `GPUB_PROTOCOL` for a key that nobody has asked for
   */
  async take(newKey: NewKey): Promise<IssuedCredential> {
    if (this.#state !== 'asked') throw outOfPlace('a new key was sent that the broker has not asked for');
    this.#state = 'issuing';
    const { db, now, credentialLifetime } = this.#context;
    const { nodeId, accountId, credential } = this.#node;
    const issued = await rotate(
      db,
      now(),
      { nodeId, accountId, credentialId: credential.id },
      newKey,
      credentialLifetime,
    );
    this.#state = 'done';
    return issued;
  }

  /** Why the stream must end: its credential has. The node may hold the next one. */
  ended(now: number): Refusal | undefined {
    if (now < this.#node.credential.expiresAt.getTime()) return undefined;
    return new Refusal('conflict', 'GPUB_CREDENTIAL_ENDED', 'the credential of this stream has ended: connect again');
  }
}
