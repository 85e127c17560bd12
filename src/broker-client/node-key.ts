// The node's own key: Ed25519. It never leaves the node; what it signs begins with what the signature is for.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A private key with what the broker is told of it. */
export interface NodeKey {
  readonly privateKey: KeyObject;
  /** DER, SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  /** The first 16 hex digits of the public key's SHA-256: the key's name on disk and in the log. */
  readonly fingerprint: string;
}

export function newNodeKey(): NodeKey {
  return nodeKey(generateKeyPairSync('ed25519').privateKey);
}

/**
 * Reads a key as {@link pemOf} writes it.
 *
 * @throws Error when it is no Ed25519 key
 */
export function readNodeKey(pem: string): NodeKey {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error('it is no Ed25519 key');
  return nodeKey(privateKey);
}

/** PKCS #8. */
export function pemOf({ privateKey }: NodeKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Proves the key to the broker that gave the token. */
export function enrollProof({ privateKey }: NodeKey, token: string): Buffer {
  return sign(null, Buffer.from(`gpubroker enroll v1\n${token}`), privateKey);
}

/** Proves the credential's key in answer to a nonce. */
export function connectProof({ privateKey }: NodeKey, credentialId: string, nonce: Buffer): Buffer {
  return sign(null, Buffer.concat([Buffer.from(`gpubroker connect v1\n${credentialId}\n`), nonce]), privateKey);
}

/** Proves the key that is to follow the one of a credential. */
export function rotateProof({ privateKey }: NodeKey, credentialId: string): Buffer {
  return sign(null, Buffer.from(`gpubroker rotate v1\n${credentialId}`), privateKey);
}

function nodeKey(privateKey: KeyObject): NodeKey {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { privateKey, publicKey, fingerprint: createHash('sha256').update(publicKey).digest('hex').slice(0, 16) };
}
