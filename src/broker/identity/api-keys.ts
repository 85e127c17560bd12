// API keys: `gpb_<id>_<secret>`. The secret has 256 random bits, so one SHA-256 hides it as well as a slow hash would.
import { hash as digest, randomBytes, timingSafeEqual } from 'node:crypto';

const written = /^gpb_([0-9a-f]{32})_([\w-]{43})$/;

/** What a key is made of; `text` is shown to its owner once. */
export interface NewKey {
  readonly text: string;
  readonly hash: Buffer;
}

/** Makes the key of an id. */
export function makeKey(id: string): NewKey {
  const secret = randomBytes(32);
  return { text: `gpb_${id.replaceAll('-', '')}_${secret.toString('base64url')}`, hash: hashOf(secret) };
}

/** Whether a bearer token is written as a key. */
export function isKey(token: string): boolean {
  return token.startsWith('gpb_');
}

/** The id and the hash of the secret that a key holds; undefined if it is not written as one. */
export function readKey(text: string): { id: string; hash: Buffer } | undefined {
  const [, hex, secret] = written.exec(text) ?? [];
  if (hex === undefined || secret === undefined) return undefined;
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { id, hash: hashOf(Buffer.from(secret, 'base64url')) };
}

/** Whether two hashes are the same, in a time that does not tell where they differ. */
export function sameHash(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function hashOf(secret: Buffer): Buffer {
  return digest('sha256', secret, 'buffer');
}
