// The options of the broker.
import { hostname } from 'node:os';
import { isLoopback, parseAddress } from './address.ts';
import { type CodedError, optionConflict } from './errors.ts';
import { logOptions } from './log-options.ts';
import { anyOf, custom, duration, flag, integer, path } from './option-kinds.ts';
import { type OptionSet, type OptionValues, optionSet } from './options.ts';

const table = {
  'data-dir': path({
    description: 'Folder for the database, certificates and the first API key',
    default: '/var/lib/gpubroker-broker',
  }),
  'http-address': listenAddress('Address of the HTTP API', '127.0.0.1:10355'),
  'node-link-address': listenAddress('Address to which nodes connect', '127.0.0.1:10356'),
  'metrics-address': listenAddress('Address of /metrics, /healthz, /livez and /readyz', '127.0.0.1:10357'),
  'database-url': url({
    description: 'PostgreSQL 15 or newer to use, postgres://…; empty for one of its own in the data folder',
    schemes: ['postgres', 'postgresql'],
  }),
  'redis-url': url({
    description: 'Redis that several processes share for rate limits and caches, redis://… or rediss://…',
    schemes: ['redis', 'rediss'],
  }),
  'tls-cert': path({ description: 'PEM file of the certificate for HTTP and for nodes', default: '' }),
  'tls-key': path({ description: 'PEM file of its key', default: '' }),
  'node-client-ca': path({
    description: 'PEM file of the authority that must have signed the certificates of nodes; empty for none',
    default: '',
  }),
  'behind-tls-proxy': flag({
    description: 'Serve HTTP without TLS on any address, because a proxy in front of it has TLS',
    default: false,
  }),
  'public-url': url({
    description: 'The URL under which people reach the HTTP API, for OIDC redirects',
    schemes: ['http', 'https'],
  }),
  'allow-simulated': flag({ description: 'Let nodes with simulated GPUs join', default: false }),
  'heartbeat-interval': duration({
    description: 'How often nodes beat; one is offline after three of these',
    default: '3s',
    min: '100ms',
    max: '10m',
  }),
  'node-credential-lifetime': duration({
    description: 'How long the key of a node is good for; it is replaced after a third of it',
    default: '720h',
    min: '1m',
    max: '8760h',
  }),
  'stale-after': duration({
    description: 'After so long offline a node and its GPUs leave the inventory',
    default: '720h',
    min: '1m',
    max: '8760h',
  }),
  'challenge-interval': duration({
    description: 'How often a GPU has to prove what it is, on average, at times that nobody can guess; 0s for never',
    default: '24h',
    min: '0s',
    max: '720h',
  }),
  'challenge-plans': path({
    description: 'JSON file with what GPUs of a product are asked, in place of what follows from its data sheet',
    default: '',
  }),
  'verification-lifetime': duration({
    description: 'How long a GPU is challenge-verified after a proof; longer while it is sold',
    default: '168h',
    min: '1m',
    max: '8760h',
  }),
  'telemetry-retention': duration({
    description: 'How long telemetry is kept as it came',
    default: '48h',
    min: '1h',
    max: '8760h',
  }),
  'telemetry-minutes-retention': duration({
    description: 'How long its averages over minutes are kept',
    default: '720h',
    min: '1h',
    max: '87600h',
  }),
  'telemetry-hours-retention': duration({
    description: 'How long its averages over hours are kept',
    default: '9600h',
    min: '1h',
    max: '87600h',
  }),
  'journal-retention': duration({
    description: 'How long events are kept, which snapshots of a point in time are made from',
    default: '2160h',
    min: '1h',
    max: '87600h',
  }),
  'market-journal-retention': duration({
    description: 'How long commands of the market are kept, and with them the keys of requests',
    default: '2160h',
    min: '24h',
    max: '87600h',
  }),
  'history-retention': duration({
    description: 'How long closed incidents, resolved alerts and all but the last verifications are kept',
    default: '8760h',
    min: '1h',
    max: '87600h',
  }),
  'backup-interval': duration({
    description: 'How often a backup of the database in the data folder is taken; 0s for never',
    default: '24h',
    min: '0s',
    max: '720h',
  }),
  'backup-keep-days': integer({
    description: 'Days that these backups are kept; the newest is always kept',
    default: 14,
    min: 1,
    max: 3650,
  }),
  'oidc-issuer': url({ description: 'OIDC issuer that people may sign in with', schemes: ['http', 'https'] }),
  'oidc-client-id': custom({
    description: "The broker's client id there",
    allowed: 'a text',
    fallback: () => '',
    parse: (value) => value,
  }),
  'oidc-client-secret-file': path({ description: 'File with its client secret; empty for none', default: '' }),
  'oidc-roles-claim': custom({
    description: 'Claim that lists roles, with dots for nested ones; empty to set roles in the broker',
    allowed: 'the name of a claim, for instance realm_access.roles, or nothing for none',
    fallback: () => '',
    parse: (value) => (/^([\w:/-]+(\.[\w:/-]+)*)?$/.test(value) ? value : undefined),
  }),
  'trial-credit': custom({
    description: 'What every new account may spend without having paid, in US dollars',
    allowed: 'US dollars from 0 to 999999.99 with up to two decimal places',
    fallback: () => '0',
    parse: (value) => (/^\d{1,6}(\.\d{1,2})?$/.test(value) ? value : undefined),
  }),
  'payment-webhook-secret-file': path({
    description: 'File with the secret under which a payment system signs its notices; empty to take none',
    default: '',
  }),
  'smtp-url-file': path({
    description: 'File with the URL of the SMTP server for alerts, smtp://user:password@host:port',
    default: '',
  }),
  'smtp-from': custom({
    description: 'Sender of alerts',
    allowed: 'an e-mail address',
    fallback: () => 'gpubroker@localhost',
    parse: (value) => (/^[^\s@<>]+@[^\s@<>]+$/.test(value) ? value : undefined),
  }),
  'allow-private-webhooks': flag({
    description: 'Let alerts go to addresses of private networks and without TLS',
    default: false,
  }),
  'database-connections': integer({
    description: 'Connections to the database, at most',
    default: 20,
    min: 4,
    max: 1000,
  }),
  'shutdown-delay': duration({
    description: 'Time between "not ready" and the end of serving, for clients to move away',
    default: '0s',
    min: '0s',
    max: '10m',
  }),
  'shutdown-timeout': duration({
    description: 'Longest wait for requests in progress after that',
    default: '30s',
    min: '0s',
    max: '1h',
  }),
  ...logOptions,
  config: path({ description: 'YAML file with options', default: '' }),
};

export type BrokerOptions = OptionValues<typeof table>;

/** Options of `gpubroker broker`. */
export const brokerOptions: OptionSet<BrokerOptions> = optionSet(table, rules);

/** The name of this machine in the broker's log. */
export const brokerNode = hostname;

function* rules(values: BrokerOptions): Iterable<CodedError> {
  const { httpAddress, tlsCert, tlsKey, behindTlsProxy, oidcIssuer, oidcClientId, publicUrl } = values;
  if ((tlsCert === '') !== (tlsKey === '')) {
    yield optionConflict('only one of tls-cert and tls-key is given', 'give both or neither');
  }
  const host = parseAddress(httpAddress)?.host ?? '';
  if (!isLoopback(host) && tlsCert === '' && !behindTlsProxy) {
    yield optionConflict(
      `http-address: ${httpAddress} can be reached from other machines without TLS`,
      'give tls-cert and tls-key, or behind-tls-proxy where a proxy has TLS, or a loopback address',
    );
  }
  if ((oidcIssuer === '') !== (oidcClientId === '')) {
    yield optionConflict('only one of oidc-issuer and oidc-client-id is given', 'give both or neither');
  }
  if (oidcIssuer !== '' && publicUrl === '') {
    yield optionConflict(
      'oidc-issuer is given without public-url',
      'give the URL under which browsers reach the broker',
    );
  }
}

/** HOST:PORT. */
export function listenAddress(description: string, fallback: string) {
  return custom({
    description,
    allowed: 'HOST:PORT; port 0 for any free one',
    fallback: () => fallback,
    parse: (value) => (parseAddress(value) ? value : undefined),
  });
}

/** A URL of one of the schemes, or nothing. What `config print` shows of it has no password. */
function url({ description, schemes }: { description: string; schemes: readonly string[] }) {
  return custom({
    description,
    allowed: `a URL that begins with ${anyOf(schemes.map((scheme) => `${scheme}://`))}, or nothing for none`,
    fallback: () => '',
    parse: (value) => (value === '' || schemes.some((scheme) => isUrl(value, `${scheme}:`)) ? value : undefined),
    redact: withoutPassword,
    format: withoutPassword,
  });
}

function isUrl(text: string, protocol: string): boolean {
  return (
    URL.parse(text)?.protocol === protocol || (protocol.startsWith('postgres') && text.startsWith(`${protocol}//`))
  );
}

/** Rather too little is shown than too much: a password that is not encoded as it should be may hold any sign. */
function withoutPassword(text: string): string {
  const { username, password } = URL.parse(text) ?? { username: '?', password: '?' };
  const shown = username + password === '' ? text : text.replace(/^([^:]*:\/\/[^:/?#@]*):.*@/s, '$1:***@');
  return shown.replaceAll(/([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*/gi, '$1***');
}
