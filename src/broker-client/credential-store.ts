// What the node needs to be known to the broker again: its key, its node id, its credential.
//
// `credential.json` names the key that it belongs to; putting it in place is the one step by which a node has joined or
// has rotated its key. Every other key file in the folder is one that waits for its credential: it is used again
// after a crash, so the broker sees the same key. A key goes only when the credential of the next one is on disk.
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defineError, messageOf } from '../daemon/errors.ts';
import type { Credential } from '../wire/gpubroker/node/v1/node_link.ts';
import { type NodeKey, newNodeKey, pemOf, readNodeKey } from './node-key.ts';
import { writeWhole } from './whole-file.ts';

const credentialUnusable = defineError(
  'GPUB_CREDENTIAL_UNUSABLE',
  (path: string, reason: string) => `${path} cannot be used: ${reason}`,
  (path) =>
    `Let this user read and write ${path}; if it is damaged, remove the folder \`broker\` of the data folder and join with a new token.`,
);

/** A credential with its key. */
export interface Credentials {
  readonly nodeId: string;
  readonly credentialId: string;
  readonly key: NodeKey;
}

/** Where the node's key and credential are kept. */
export interface CredentialStore {
  /** Undefined before the node has joined. */
  readonly current: Credentials | undefined;
  /**
   * The key that waits for its credential: the same at each call, until it has got one.
   *
   * @throws CodedError when it cannot be kept
   */
  waitingKey(): NodeKey;
  /**
   * The credential of the waiting key has come: from here on it is the current one.
   *
   * @throws CodedError when it cannot be kept; the one before is current then
   */
  adopt(nodeId: string, credential: Credential): Credentials;
}

/** What stands in credential.json. */
interface Stored {
  readonly format: 1;
  readonly nodeId: string;
  readonly credentialId: string;
  readonly expiresAt: string | undefined;
  /** The fingerprint of its key. */
  readonly key: string;
  /** That of the key before it, which goes. */
  readonly retired: string | undefined;
}

/** A store in a folder of its own; nobody but this user may read it. */
export class CredentialFolder implements CredentialStore {
  current: Credentials | undefined;
  readonly #folder: string;
  #waiting: NodeKey | undefined;

  /** @throws CodedError when the folder, or a file of it, cannot be used */
  constructor(folder: string) {
    this.#folder = folder;
    this.#explained(folder, () => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      chmodSync(folder, 0o700);
    });
    const path = this.#path('credential.json');
    const stored = this.#explained(path, () => readStored(path));
    if (stored) {
      const { nodeId, credentialId } = stored;
      this.current = { nodeId, credentialId, key: this.#readKey(stored.key) };
      if (stored.retired) this.#retire(stored.retired);
    }
    for (const fingerprint of this.#fingerprints()) {
      if (fingerprint !== stored?.key && fingerprint !== stored?.retired) this.#waiting = this.#readKey(fingerprint);
    }
  }

  waitingKey(): NodeKey {
    if (this.#waiting) return this.#waiting;
    const key = newNodeKey();
    const path = this.#keyPath(key.fingerprint);
    this.#explained(path, () => writeWhole(path, pemOf(key)));
    this.#waiting = key;
    return key;
  }

  adopt(nodeId: string, { id, expiresAt }: Credential): Credentials {
    const key = this.waitingKey();
    const retired = this.current?.key.fingerprint;
    const stored: Stored = {
      format: 1,
      nodeId,
      credentialId: id,
      expiresAt: expiresAt?.toISOString(),
      key: key.fingerprint,
      retired,
    };
    const path = this.#path('credential.json');
    this.#explained(path, () => writeWhole(path, `${JSON.stringify(stored)}\n`));
    this.current = { nodeId, credentialId: id, key };
    this.#waiting = undefined;
    if (retired) this.#retire(retired);
    return this.current;
  }

  /** One that cannot be removed is tried again with the next start. */
  #retire(fingerprint: string): void {
    try {
      rmSync(this.#keyPath(fingerprint), { force: true });
    } catch {}
  }

  #fingerprints(): string[] {
    const names = readdirSync(this.#folder);
    // What a crash cut before it was in place.
    for (const name of names.filter((one) => one.endsWith('.new'))) rmSync(this.#path(name), { force: true });
    return names.flatMap((name) => /^key-([0-9a-f]{16})\.pem$/.exec(name)?.[1] ?? []).sort();
  }

  #readKey(fingerprint: string): NodeKey {
    const path = this.#keyPath(fingerprint);
    return this.#explained(path, () => {
      const key = readNodeKey(readFileSync(path, 'utf8'));
      if (key.fingerprint !== fingerprint) throw new Error('it is another key');
      return key;
    });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #keyPath(fingerprint: string): string {
    return this.#path(`key-${fingerprint}.pem`);
  }

  #explained<Value>(path: string, use: () => Value): Value {
    try {
      return use();
    } catch (error) {
      throw credentialUnusable(path, messageOf(error));
    }
  }
}

/** A store in memory alone, for nodes that join anew with every start, or whose credential is given. */
export class CredentialMemory implements CredentialStore {
  current: Credentials | undefined;
  #waiting: NodeKey | undefined;

  constructor(current?: Credentials, key?: NodeKey) {
    this.current = current;
    this.#waiting = key;
  }

  waitingKey(): NodeKey {
    this.#waiting ??= newNodeKey();
    return this.#waiting;
  }

  adopt(nodeId: string, { id }: Credential): Credentials {
    this.current = { nodeId, credentialId: id, key: this.waitingKey() };
    this.#waiting = undefined;
    return this.current;
  }
}

function readStored(path: string): Stored | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const stored = JSON.parse(text) as Partial<Stored> | null;
  if (stored?.format !== 1 || !stored.nodeId || !stored.credentialId || !stored.key) {
    throw new Error('it is not a credential of format 1');
  }
  return stored as Stored;
}
