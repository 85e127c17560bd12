// The TLS of what the broker serves: certificates by file, or its own; looked at again while it runs, so that a renewed
// one is used for new connections without a restart.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { createSecureContext } from 'node:tls';
import { experimental, type ServerCredentials } from '@grpc/grpc-js';
import { messageOf } from '../../daemon/errors.ts';
import type { Log } from '../../daemon/logger.ts';
import { authorityFiles, type KeyPair, ownCertificate } from './authority.ts';
import { givenFileRefused } from './errors.ts';

/** How often the files are looked at, in milliseconds. */
const defaultLookEvery = 60_000;

/** Where certificates come from. */
export interface TlsOptions {
  readonly dataFolder: string;
  /** PEM files; empty for a certificate of the broker's own authority. */
  readonly tlsCert: string;
  readonly tlsKey: string;
  /** PEM file of the authority that must have signed the certificates of clients; empty where they need none. */
  readonly clientCa: string;
  /** Names by which nodes reach the broker, beside those of this machine; for its own certificate. */
  readonly names?: readonly string[];
  readonly log: Log;
  readonly now: () => Date;
  /** Milliseconds. */
  readonly lookEvery?: number;
}

/** The TLS of the broker. */
export interface Tls {
  /** For a gRPC server; they change with the files. */
  readonly credentials: ServerCredentials;
  /** The certificate that nodes must trust; undefined where the operator brought one. */
  readonly caFile: string | undefined;
  /** The certificate and its key at this moment, in PEM. */
  current(): KeyPair;
  /** Calls the listener after every change; returns what ends that. */
  onChange(listener: (pair: KeyPair) => void): () => void;
  /** Looks at the files now. A file that cannot be used is logged, and what was loaded before stays. */
  look(): Promise<void>;
  close(): void;
}

/**
 * Loads certificates, and makes the broker's own where none are given.
 *
 * @throws CodedError `GPUB_BROKER_TLS_FILE_REFUSED` or `GPUB_AUTHORITY_DAMAGED`, naming the file
 */
export async function loadTls(options: TlsOptions): Promise<Tls> {
  const { log, clientCa, lookEvery = defaultLookEvery } = options;
  const source = new Source();
  const read = async () => {
    source.setPair(await readPair(options));
    if (clientCa !== '') source.setAuthority(readAuthority(clientCa));
  };
  await read();
  const look = async () => {
    try {
      await read();
    } catch (error) {
      log.error({ err: error }, 'the TLS files cannot be used: those loaded before stay in use');
    }
  };
  const timer = setInterval(look, lookEvery).unref();
  return {
    // grpc-js 1.14 names its two parameters the wrong way round: the source of the certificate comes first.
    credentials: experimental.createCertificateProviderServerCredentials(
      source,
      clientCa === '' ? null : source,
      clientCa !== '',
    ),
    caFile: options.tlsCert === '' ? authorityFiles(options.dataFolder).caCert : undefined,
    current: () => source.pair,
    onChange: (listener) => source.onChange(listener),
    look,
    close: () => clearInterval(timer),
  };
}

async function readPair(options: TlsOptions): Promise<KeyPair> {
  const { dataFolder, tlsCert, tlsKey, names = [], now } = options;
  if (tlsCert !== '') return readGiven(tlsCert, tlsKey);
  const all = new Set(['localhost', '127.0.0.1', '::1', hostname().toLowerCase(), ...names]);
  return ownCertificate(dataFolder, [...all], now());
}

function readGiven(certPath: string, keyPath: string): KeyPair {
  const { cert, certificate } = read('tls-cert', certPath, (pem) => ({
    cert: pem,
    certificate: new X509Certificate(pem),
  }));
  const key = read('tls-key', keyPath, (pem) => {
    if (certificate.checkPrivateKey(createPrivateKey(pem))) return pem;
    throw new Error(`it is not the key of the certificate in ${certPath}`);
  });
  // What follows the first certificate of the file, and what the platform's policy refuses, for instance a weak key.
  read('tls-cert', certPath, () => createSecureContext({ cert, key }));
  return { cert, key };
}

function readAuthority(path: string): Buffer {
  return read('node-client-ca', path, (pem) => {
    if (!new X509Certificate(pem).ca) throw new Error('it is not the certificate of an authority');
    createSecureContext({ ca: pem });
    return pem;
  });
}

function read<Value>(option: string, path: string, use: (pem: Buffer) => Value): Value {
  try {
    return use(readFileSync(path));
  } catch (error) {
    throw givenFileRefused(option, path, messageOf(error));
  }
}

type IdentityListener = experimental.IdentityCertificateUpdateListener;
type CaListener = experimental.CaCertificateUpdateListener;

/** What grpc-js asks for certificates; it tells whoever listens when they change. */
class Source implements experimental.CertificateProvider {
  #pair: KeyPair | undefined;
  #authority: Buffer | undefined;
  readonly #identityListeners = new Set<IdentityListener>();
  readonly #caListeners = new Set<CaListener>();
  readonly #listeners = new Set<(pair: KeyPair) => void>();

  get pair(): KeyPair {
    if (!this.#pair) throw new Error('no certificate is loaded');
    return this.#pair;
  }

  setPair(pair: KeyPair): void {
    const before = this.#pair;
    if (before?.cert.equals(pair.cert) && before.key.equals(pair.key)) return;
    this.#pair = pair;
    for (const listener of this.#identityListeners) listener({ certificate: pair.cert, privateKey: pair.key });
    for (const listener of this.#listeners) listener(pair);
  }

  setAuthority(authority: Buffer): void {
    if (this.#authority?.equals(authority)) return;
    this.#authority = authority;
    for (const listener of this.#caListeners) listener({ caCertificate: authority });
  }

  onChange(listener: (pair: KeyPair) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    const { cert, key } = this.pair;
    // Not at once: grpc-js adds its server to those whom it tells only after this has returned.
    queueMicrotask(() => listener({ certificate: cert, privateKey: key }));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    const caCertificate = this.#authority;
    if (caCertificate) queueMicrotask(() => listener({ caCertificate }));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
  }
}
