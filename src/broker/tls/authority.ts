// The broker's own certificate authority, for those who bring no certificate: `ca.crt` goes to the nodes, the rest
// stays. It is made on the first start, and signs the certificate of the node link, which it renews in time.
// The X.509 library is built on decorators, which need it.
import 'reflect-metadata';
import { Buffer } from 'node:buffer';
import { createPrivateKey, type KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { messageOf } from '../../daemon/errors.ts';
import { ownFileDamaged } from './errors.ts';
import { readIfThere, replaceFile } from './pem-files.ts';

const day = 86_400_000;
/** How long certificates last, in milliseconds. */
export const authorityLife = 3650 * day;
export const certificateLife = 365 * day;
/** The certificate is renewed when less than this is left of it. */
export const renewBefore = 30 * day;
/** Clocks of nodes may be behind that of the broker. */
const backdated = day;

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate with its key, in PEM. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

interface Authority extends KeyPair {
  readonly certificate: X509Certificate;
}

/** Where the authority lies in the data folder. */
export function authorityFiles(dataFolder: string) {
  const at = (name: string) => join(dataFolder, name);
  return { caCert: at('ca.crt'), caKey: at('ca.key'), cert: at('node-link.crt'), key: at('node-link.key') };
}

/**
 * The certificate of the node link: what lies in the folder, or a new one where there is none, it soon ends, or it is
 * for other names.
 *
 * @param names DNS names and addresses for which it must be good
 * @throws CodedError `GPUB_AUTHORITY_DAMAGED` for a file that is not what the broker wrote
 */
export async function ownCertificate(dataFolder: string, names: readonly string[], now: Date): Promise<KeyPair> {
  const files = authorityFiles(dataFolder);
  const authority = await openAuthority(files.caCert, files.caKey, now);
  const present = readPair(files.cert, files.key);
  if (present && isFit(present.certificate, authority, names, now)) return present;
  const fresh = await issue(authority, names, now);
  // The key first: a certificate without its key is never there, and a key without its certificate is made anew.
  replaceFile(files.key, fresh.key.toString(), 0o600);
  replaceFile(files.cert, fresh.cert.toString(), 0o644);
  return fresh;
}

async function openAuthority(certPath: string, keyPath: string, now: Date): Promise<Authority> {
  const cert = readIfThere(certPath);
  // Nobody can trust an authority whose certificate was never there: a key alone is left of a start that was cut.
  if (!cert) return makeAuthority(certPath, keyPath, now);
  const certificate = parse(certPath, () => new X509Certificate(cert));
  const key = readIfThere(keyPath);
  if (!key) throw ownFileDamaged(keyPath, `it is missing, and ${certPath} is there`);
  const privateKey = parse(keyPath, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) throw ownFileDamaged(keyPath, `it is not the key of ${certPath}`);
  if (certificate.validToDate <= now) throw ownFileDamaged(certPath, `it ended at ${certificate.validTo}`);
  chmodSync(keyPath, 0o600);
  return { cert, key, certificate };
}

async function makeAuthority(certPath: string, keyPath: string, now: Date): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: `CN=GPUBroker CA ${randomBytes(4).toString('hex')}`,
      ...validity(now, authorityLife),
      signingAlgorithm: ecdsa,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  const pair = { cert: Buffer.from(`${certificate.toString('pem')}\n`), key: await pemOf(keys.privateKey) };
  replaceFile(keyPath, pair.key.toString(), 0o600);
  replaceFile(certPath, pair.cert.toString(), 0o644);
  return { ...pair, certificate: new X509Certificate(pair.cert) };
}

async function issue(authority: Authority, names: readonly string[], now: Date): Promise<KeyPair> {
  const keys = await newKeys();
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8(createPrivateKey(authority.key)), ecdsa, false, [
    'sign',
  ]);
  const issuer = new x509.X509Certificate(authority.cert.toString());
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: newSerial(),
      subject: `CN=GPUBroker node link`,
      issuer: issuer.subject,
      ...validity(now, certificateLife),
      signingAlgorithm: ecdsa,
      publicKey: keys.publicKey,
      signingKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(names.map(generalName)),
        await x509.AuthorityKeyIdentifierExtension.create(issuer),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  return { cert: Buffer.from(`${certificate.toString('pem')}\n`), key: await pemOf(keys.privateKey) };
}

/** Undefined where the files must be made anew: one is missing, or the two are not a pair after a cut. */
function readPair(certPath: string, keyPath: string): (KeyPair & { certificate: X509Certificate }) | undefined {
  const cert = readIfThere(certPath);
  const key = readIfThere(keyPath);
  if (!cert || !key) return undefined;
  const certificate = parse(certPath, () => new X509Certificate(cert));
  const privateKey = parse(keyPath, () => createPrivateKey(key));
  return certificate.checkPrivateKey(privateKey) ? { cert, key, certificate } : undefined;
}

function isFit(certificate: X509Certificate, authority: Authority, names: readonly string[], now: Date): boolean {
  if (!certificate.verify(authority.certificate.publicKey)) return false;
  if (certificate.validToDate.getTime() - now.getTime() < renewBefore) return false;
  if (certificate.validFromDate > now) return false;
  return names.every((name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)));
}

function generalName(name: string): x509.JsonGeneralName {
  return isIP(name) === 0 ? { type: 'dns', value: name } : { type: 'ip', value: name };
}

function validity(now: Date, life: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now.getTime() - backdated), notAfter: new Date(now.getTime() + life) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
}

/** 127 random bits: positive, as RFC 5280 wants it. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function pemOf(key: webcrypto.CryptoKey): Promise<Buffer> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return Buffer.from(
    createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' }),
  );
}

function pkcs8(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'pkcs8' });
}

function parse<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw ownFileDamaged(path, messageOf(error));
  }
}
