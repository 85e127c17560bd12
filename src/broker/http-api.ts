// The HTTP API put together: identity, services and routes over the parts of the broker.
import { readFileSync } from 'node:fs';
import type { BrokerOptions } from '../daemon/broker-options.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import { messageOf, optionConflict } from '../daemon/errors.ts';
import type { Alerting } from './alerts/alerting.ts';
import { type ApiServer, createHttpApp } from './api/http/app.ts';
import { auditRefusedWrites } from './api/http/refused-writes.ts';
import { registerAllRoutes } from './api/http/routes.ts';
import type { NodeLinks } from './api/node-link/nodes.ts';
import { paymentSecrets } from './billing/payments.ts';
import { ChangeStream } from './events/stream.ts';
import { createIdentity, type Identity } from './identity/identity.ts';
import { Oidc } from './identity/oidc.ts';
import type { OpenMarket } from './open-market.ts';
import { openRedis } from './redis.ts';
import type { IngestService } from './registry/ingest/ingest.ts';
import type { NodeStreams } from './registry/node-standing.ts';
import { nodeFigures } from './registry/reliability.ts';
import type { Storage } from './storage/open.ts';
import type { RunningTelemetryStore } from './telemetry/store.ts';
import type { Tls } from './tls/load.ts';
import type { Challenger } from './verification/contract.ts';

/** What the API stands on. */
export interface ApiParts {
  readonly storage: Storage;
  readonly ingest: IngestService;
  readonly telemetry: RunningTelemetryStore;
  readonly market: OpenMarket;
  readonly links: NodeLinks;
  readonly alerting: Alerting;
  readonly challenger: Challenger;
  readonly tls: Tls;
}

/** The server with all routes, not listening yet; and what ends it. */
export interface HttpApi {
  readonly app: ApiServer;
  /** Ends what the API alone uses; call it when the server is closed. */
  close(): void;
}

/** How long a node has to send its inventory when it is asked, in milliseconds. */
const pullDeadline = 10_000;

/** Makes it. @throws CodedError where a file that the options name cannot be used */
export async function createHttpApi(
  { options, log, registry }: Pick<DaemonContext<BrokerOptions>, 'options' | 'log' | 'registry'>,
  parts: ApiParts,
  now: () => Date,
): Promise<HttpApi> {
  const { db, pool } = parts.storage.database;
  const redis = options.redisUrl === '' ? undefined : openRedis({ url: options.redisUrl, log });
  const identity = createIdentity({ db, now, redis });
  const hasTls = options.tlsCert !== '';
  const app = await createHttpApp({
    log,
    registry,
    authenticator: identity.authenticator,
    health: { db, redis, now },
    redis,
    ...(hasTls ? { tls: parts.tls.current() } : {}),
    behindProxy: options.behindTlsProxy,
    onRefused: auditRefusedWrites({ db, now, log }),
  });
  const stopFollowing = hasTls ? parts.tls.onChange((pair) => renewCertificate(app, pair)) : () => undefined;
  registerAllRoutes(app, {
    ...parts.market,
    identity,
    oidc: oidcOf(options, { db, now, identity }, log),
    streams: nodeStreams(parts, now),
    figures: async (nodeId) => {
      const figures = (await nodeFigures(db, [nodeId], now())).get(nodeId);
      return figures ? { ...figures } : null;
    },
    changes: new ChangeStream({ db, pool, log }),
    journalRetention: options.journalRetention,
    telemetry: parts.telemetry,
    challenger: parts.challenger,
    telemetryRetention: options.telemetryRetention,
    alertChannels: parts.alerting.channels,
    paymentSecrets: paymentSecretsOf(options),
  });
  const close = () => {
    stopFollowing();
    redis?.close();
  };
  return { app, close };
}

/** The registry's view of the node link: what it changes, the nodes learn at once. */
function nodeStreams({ links, ingest }: ApiParts, now: () => Date): NodeStreams {
  return {
    disconnect: (nodeId, why) => {
      // The node link hears of nodes that are out for good from the ingest.
      if (why === 'decommissioned') ingest.standingChanged(nodeId, why);
      else links.disconnect(nodeId, 'the provider of this node is suspended');
    },
    async pullInventory(nodeId) {
      if (!links.isLive(nodeId)) return false;
      await links.pullInventory(nodeId, new Date(now().getTime() + pullDeadline));
      return true;
    },
    standing: (nodeId, standing) => ingest.standingChanged(nodeId, standing),
  };
}

function oidcOf(
  { oidcIssuer, oidcClientId, oidcClientSecretFile, oidcRolesClaim, publicUrl }: BrokerOptions,
  services: { db: ApiParts['storage']['database']['db']; now: () => Date; identity: Identity },
  log: DaemonContext<BrokerOptions>['log'],
): Oidc | undefined {
  if (oidcIssuer === '') return undefined;
  const clientSecret =
    oidcClientSecretFile === '' ? undefined : readSecret(oidcClientSecretFile, 'oidc-client-secret-file');
  const rolesClaim = oidcRolesClaim === '' ? undefined : oidcRolesClaim;
  const settings = { issuer: oidcIssuer, clientId: oidcClientId, clientSecret, redirectBase: publicUrl, rolesClaim };
  return new Oidc(settings, services, log);
}

function paymentSecretsOf({ paymentWebhookSecretFile: file }: BrokerOptions): readonly string[] {
  return file === '' ? [] : paymentSecrets(readSecret(file, 'payment-webhook-secret-file'));
}

/** The text of a file, for an option that keeps a secret out of the command line. */
export function readSecret(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw optionConflict(`${option}: ${messageOf(error)}`, 'give a file that the broker may read');
  }
}

/** New connections get the new certificate. */
function renewCertificate(app: ApiServer, pair: { cert: Buffer; key: Buffer }): void {
  const server = app.server as unknown as { setSecureContext?(pair: { cert: Buffer; key: Buffer }): void };
  server.setSecureContext?.(pair);
}
