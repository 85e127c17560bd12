// The certificate and key of TCP, looked at before the server listens: a wrong file is named with its reason.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { defineError, messageOf } from '../daemon/errors.ts';

const tlsFileRefused = defineError(
  'GPUB_TLS_FILE_REFUSED',
  (key: string, path: string, reason: string) => `${key}: cannot use ${path}: ${reason}`,
  (key) =>
    key === 'tls-cert'
      ? 'Give --tls-cert a PEM file with the certificate, and the certificates that it hangs on, that the daemon may read.'
      : 'Give --tls-key a PEM file with the key of that certificate, without a passphrase, that the daemon may read.',
);

/** The paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads the files.
 *
 * @throws CodedError naming the option and the file, where one cannot be read, is malformed, or is not the other's
 */
export function tlsCredentials({ cert, key }: TlsFiles): ServerCredentials {
  const chain = read('tls-cert', cert, (pem) => ({ pem, certificate: new X509Certificate(pem) }));
  const ownKey = read('tls-key', key, (pem) => {
    checkKey(pem, chain.certificate, cert);
    return pem;
  });
  // What follows the first certificate of the file, and what the platform's policy refuses, for instance a weak key.
  read('tls-cert', cert, () => createSecureContext({ cert: chain.pem, key: ownKey }));
  return ServerCredentials.createSsl(null, [{ cert_chain: chain.pem, private_key: ownKey }]);
}

function read<Value>(option: string, path: string, use: (pem: Buffer) => Value): Value {
  try {
    return use(readFileSync(path));
  } catch (error) {
    throw tlsFileRefused(option, path, messageOf(error));
  }
}

function checkKey(pem: Buffer, certificate: X509Certificate, path: string): void {
  if (!certificate.checkPrivateKey(createPrivateKey(pem)))
    throw new Error(`it is not the key of the certificate in ${path}`);
}
