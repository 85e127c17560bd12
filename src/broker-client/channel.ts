// The way to the broker: its address, and TLS that checks the broker's name and certificate.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { formatAddress, parseAddress } from '../daemon/address.ts';
import { defineError, messageOf } from '../daemon/errors.ts';
import { withoutNameOfAddress } from '../daemon/grpc-internals.ts';

const linkTlsFileRefused = defineError(
  'GPUB_LINK_TLS_FILE_REFUSED',
  (option: string, path: string, reason: string) => `${option}: cannot use ${path}: ${reason}`,
  (option) => `Give --${option} a PEM file of its kind that the daemon may read.`,
);

/** Where the broker is and how it is reached. */
export interface Channel {
  /** `host:port`. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** Paths of PEM files; an empty one is not given. */
export interface ChannelFiles {
  /** The certificates by which the broker's is judged; without, those that Node.js brings. */
  readonly ca: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/**
 * The channel to a broker.
 *
 * @param url `https://HOST:PORT`
 * @throws CodedError naming the option and the file, where one cannot be used
 */
export function brokerChannel(url: string, files: ChannelFiles): Channel {
  const address = addressOf(url);
  if (address === undefined) throw new Error(`${url} is not https://HOST:PORT`);
  const ca = read('broker-ca', files.ca, (pem) => {
    // Both: the one names what is no certificate, the other reads all that the file has.
    new X509Certificate(pem);
    createSecureContext({ ca: pem });
    return pem;
  });
  const cert = read('broker-client-cert', files.clientCert, (pem) => {
    new X509Certificate(pem);
    return pem;
  });
  const key = read('broker-client-key', files.clientKey, (pem) => {
    const own = cert && new X509Certificate(cert).checkPrivateKey(createPrivateKey(pem));
    if (!own) throw new Error('it is not the key of the certificate of broker-client-cert');
    return pem;
  });
  return { address, credentials: withoutNameOfAddress(credentials.createSsl(ca, key, cert)), options: channelOptions };
}

/** `HOST:PORT` of `https://HOST:PORT`; undefined where the text is no such URL. */
function addressOf(url: string): string | undefined {
  const address = parseAddress(/^https:\/\/([^/]+)\/?$/.exec(url)?.[1] ?? '');
  return address && formatAddress(address);
}

const channelOptions: ChannelOptions = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_retries': 0,
  // One connection for each attempt: the back-off is the link's own.
  'grpc.use_local_subchannel_pool': 1,
};

function read<Value>(option: string, path: string, use: (pem: Buffer) => Value): Value | null {
  if (path === '') return null;
  try {
    return use(readFileSync(path));
  } catch (error) {
    throw linkTlsFileRefused(option, path, messageOf(error));
  }
}
