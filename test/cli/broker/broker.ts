// The whole HTTP API on a port of this machine, for commands that run in this process.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, onTestFinished, vi } from 'vitest';
import { createHttpApp } from '../../../src/broker/api/http/app.ts';
import { registerAllRoutes } from '../../../src/broker/api/http/routes.ts';
import { ChangeStream } from '../../../src/broker/events/stream.ts';
import { createIdentity } from '../../../src/broker/identity/identity.ts';
import { Oidc, type OidcOptions } from '../../../src/broker/identity/oidc.ts';
import { MarketStream } from '../../../src/broker/market/stream.ts';
import type { OpenMarket } from '../../../src/broker/open-market.ts';
import { type OpenDatabase, openDatabase } from '../../../src/broker/storage/database.ts';
import type { Role } from '../../../src/broker/storage/schema.ts';
import { startTelemetryStore } from '../../../src/broker/telemetry/store.ts';
import type { Challenger } from '../../../src/broker/verification/contract.ts';
import { addTestPrincipal, type TestPrincipal, testPasswordCost } from '../../fixtures/broker-http.ts';
import { createTestDatabase } from '../../fixtures/database.ts';
import { startTestMarket } from '../../fixtures/open-market.ts';
import { command, type Outcome } from '../command.ts';

/** A route and its schemas. */
export interface ServedRoute {
  /** `GET /nodes/{id}`. */
  readonly name: string;
  readonly body: unknown;
  readonly query: unknown;
  /** Of success. */
  readonly response: unknown;
}

export interface ServedBroker {
  readonly url: string;
  readonly database: OpenDatabase;
  /** What the API declares. */
  readonly routes: readonly ServedRoute[];
  /** One of each role, each in an account of its own. */
  readonly people: Readonly<Record<Role, TestPrincipal>>;
  /** Runs a command as somebody, or without any credentials. */
  as(who: Role | TestPrincipal | 'nobody', ...argv: string[]): Promise<Outcome>;
  /** Runs it as `as` does with --json, and reads what it prints. */
  // biome-ignore lint/suspicious/noExplicitAny: what is printed is what the tests are about
  json(who: Role | TestPrincipal, ...argv: string[]): Promise<any>;
  /** Ends the server as a restart does; `start` serves on the same port again. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

export interface BrokerSettings {
  readonly limits?: Parameters<typeof createHttpApp>[0]['limits'];
  /** Who challenges nodes; without one no GPU is ever free. */
  readonly challenger?: Challenger;
  /** Where to sign in besides; the broker's own URL is given. */
  readonly oidc?: (url: string) => Promise<OidcOptions>;
}

const log = pino({ level: 'silent' });

/** Serves; without an end. */
export async function serveBroker(settings: BrokerSettings = {}): Promise<ServedBroker> {
  const { url: databaseUrl, drop } = await createTestDatabase();
  const database = openDatabase({ url: databaseUrl, maxConnections: 5 });
  const { db } = database;
  const people = {
    admin: await addTestPrincipal(db, 'admin'),
    provider: await addTestPrincipal(db, 'provider'),
    consumer: await addTestPrincipal(db, 'consumer'),
    developer: await addTestPrincipal(db, 'developer'),
  };
  const routes: ServedRoute[] = [];
  const market = await startTestMarket(database);
  let app = await createApp(database, market, settings, undefined, routes);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const start = async () => {
    app = await createApp(database, market, settings, await settings.oidc?.(url));
    await app.listen({ host: '127.0.0.1', port });
  };
  if (settings.oidc) {
    await app.close();
    await start();
  }
  const as: ServedBroker['as'] = async (who, ...argv) => {
    const key = who === 'nobody' ? undefined : typeof who === 'string' ? people[who].key : who.key;
    return withEnvironment({ GPUBROKER_API_URL: url, GPUBROKER_API_KEY: key }, () => command(...argv));
  };
  return {
    url,
    database,
    routes,
    people,
    as,
    json: async (who, ...argv) => {
      const { code, stdout, stderr } = await as(who, ...argv, '--json');
      if (code !== 0) throw new Error(`${argv.join(' ')}: ${code} ${stderr}`);
      return JSON.parse(stdout);
    },
    stop: () => app.close(),
    start,
    close: async () => {
      await app.close();
      await market.close();
      await database.close();
      await drop();
    },
  };
}

/** One that ends with the test. */
export async function testBroker(settings?: BrokerSettings): Promise<ServedBroker> {
  const broker = await serveBroker(settings);
  onTestFinished(() => broker.close());
  emptyHome();
  return broker;
}

/** One for all tests of a file; call it at the top. */
export function sharedBroker(prepare: (broker: ServedBroker) => Promise<void> = async () => {}): () => ServedBroker {
  let broker: ServedBroker | undefined;
  beforeAll(async () => {
    broker = await serveBroker();
    await prepare(broker);
  });
  afterAll(() => broker?.close());
  return () => {
    if (!broker) throw new Error('it does not serve yet');
    return broker;
  };
}

/** A home in which nobody is signed in and no broker runs; ends with the test. */
export function emptyHome(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cli-home-'));
  vi.stubEnv('HOME', folder);
  vi.stubEnv('XDG_CONFIG_HOME', join(folder, 'config'));
  vi.stubEnv('XDG_DATA_HOME', join(folder, 'data'));
  for (const name of ['GPUBROKER_API_URL', 'GPUBROKER_API_KEY', 'GPUBROKER_API_CA']) vi.stubEnv(name, undefined);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** What a broker of this user leaves for commands, in a home of {@link emptyHome}. */
export function leaveEndpoints(home: string, { url, key }: { url: string; key: string }): void {
  const folder = join(home, 'data', 'gpubroker-broker');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'endpoints.json'), JSON.stringify({ http_url: url }));
  writeFileSync(join(folder, 'admin-api-key'), `${key}\n`);
}

/** What the next commands read on standard input, which is no terminal; ends with the test. */
export function standardInput(text: string): void {
  const input = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([text]) as never);
  onTestFinished(() => input.mockRestore());
}

async function withEnvironment<Result>(
  values: Record<string, string | undefined>,
  act: () => Promise<Result>,
): Promise<Result> {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  const set = ([name, value]: readonly [string, string | undefined]) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  Object.entries(values).forEach(set);
  try {
    return await act();
  } finally {
    before.forEach(set);
  }
}

async function createApp(
  database: OpenDatabase,
  market: OpenMarket,
  settings: BrokerSettings,
  oidcOptions: OidcOptions | undefined,
  routes: ServedRoute[] = [],
) {
  const { db, pool } = database;
  const now = () => new Date();
  const identity = createIdentity({ db, now, redis: undefined, passwordCost: testPasswordCost });
  const registry = new Registry();
  const many = { address: 1e6, signIn: 1e6, email: 1e6, caller: 1e6 };
  const app = await createHttpApp({
    log,
    registry,
    authenticator: identity.authenticator,
    health: { db, now },
    limits: { ...many, ...settings.limits },
  });
  const retention = 48 * 3_600_000;
  app.addHook('onRoute', ({ method, url, schema }) => {
    const name = `${method} ${url.replace('/api/v2', '').replace(/:(\w+)/g, '{$1}')}`;
    const answers = Object.entries(schema?.response ?? {}).find(([status]) => /^2/.test(status));
    routes.push({ name, body: schema?.body, query: schema?.querystring, response: answers?.[1] });
  });
  const telemetry = startTelemetryStore({ pool, log, now, registry, retention, linger: 1 });
  app.addHook('onClose', () => telemetry.stop());
  const oidc = oidcOptions && new Oidc(oidcOptions, { db, now, identity }, log);
  registerAllRoutes(app, {
    ...market,
    // The one before has ended with its server.
    marketStream: new MarketStream({ db, pipeline: market.pipeline, now: () => Date.now(), log }),
    identity,
    oidc,
    paymentSecrets: [],
    changes: new ChangeStream({ db, pool, log }),
    journalRetention: undefined,
    figures: async () => null,
    telemetry,
    telemetryRetention: retention,
    streams: { disconnect: () => {}, standing: () => {}, pullInventory: async () => true },
    challenger: settings.challenger ?? { challengeNow: async () => [] },
    // Nobody listens there, so a trial message fails at once.
    alertChannels: { smtp: undefined, destinations: { insecure: true, private: true }, deadline: 500 },
  });
  return app;
}
