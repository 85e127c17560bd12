// The keys of nodes: which are taken, and what a node signs to prove that it holds one.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { invalid, Refusal } from '../../refusal.ts';

/** An Ed25519 key in DER (SubjectPublicKeyInfo) has this many bytes, always. */
const keyLength = 44;
const signatureLength = 64;

/** What the key signs to enrol with a token. */
export function enrolmentText(token: string): Buffer {
  return Buffer.from(`gpubroker enroll v1\n${token}`);
}

/** What the key of a credential signs in a hello. */
export function helloText(credentialId: string, nonce: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`gpubroker connect v1\n${credentialId}\n`), nonce]);
}

/** What the next key signs when it follows that of a credential. */
export function rotationText(credentialId: string): Buffer {
  return Buffer.from(`gpubroker rotate v1\n${credentialId}`);
}

/**
 * Reads a key.
 *
 * @throws Refusal `GPUB_INVALID` for anything but an Ed25519 key in its one canonical form
 */
export function readPublicKey(field: string, der: Uint8Array): KeyObject {
  const allowed = 'an Ed25519 public key in DER (SubjectPublicKeyInfo)';
  if (der.length !== keyLength) throw invalid(field, `${der.length} bytes`, allowed);
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Said below: what OpenSSL says of it helps nobody.
  }
  throw invalid(field, `${der.length} bytes`, allowed);
}

/**
 * Checks a signature.
 *
 * @throws Refusal `GPUB_PROOF_REFUSED` where it is not the key's signature of the text
 */
export function checkProof(key: KeyObject, text: Uint8Array, proof: Uint8Array): void {
  if (proof.length === signatureLength && verify(null, text, key, proof)) return;
  throw new Refusal('unauthenticated', 'GPUB_PROOF_REFUSED', 'the signature is not one of that key');
}
