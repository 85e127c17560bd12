// The server of orders.ts: the HTTP API of the market over the real pipeline, with sellers' nodes and buyers' keys.
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { createHttpApp } from '../../src/broker/api/http/app.ts';
import { marketRoutes } from '../../src/broker/api/http/routes/market.ts';
import { createPipeline, type RunningPipeline } from '../../src/broker/commit/pipeline.ts';
import type { Command } from '../../src/broker/engine/commands.ts';
import { createEngine } from '../../src/broker/engine/engine.ts';
import { makeKey } from '../../src/broker/identity/api-keys.ts';
import { createIdentity } from '../../src/broker/identity/identity.ts';
import { newId } from '../../src/broker/ids.ts';
import { createProductNames } from '../../src/broker/market/product-names.ts';
import { followProductStates } from '../../src/broker/market/product-states.ts';
import { MarketStream } from '../../src/broker/market/stream.ts';
import { type Database, openDatabase } from '../../src/broker/storage/database.ts';
import { migrate } from '../../src/broker/storage/migrator.ts';
import { million, nodeWith, priced } from './orders-of-bench.ts';

/** What the server is told. */
export interface ServerOrder {
  readonly databaseUrl: string;
  readonly nodes: number;
  readonly keys: number;
}

/** What it tells once it serves. */
export interface Serving {
  readonly url: string;
  readonly keys: readonly string[];
}

const gpusOfNode = 8;
const prices = 500;
const deposited = 1e12;
/** Commands on the way at once. */
const chunk = 250;

process.once('message', (order: ServerOrder) => {
  serve(order).then(
    (serving) => process.send?.(serving),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});

async function serve({ databaseUrl, nodes, keys: keyCount }: ServerOrder): Promise<Serving> {
  const { db } = openDatabase({ url: databaseUrl });
  await migrate(db);
  const now = () => new Date();
  const registry = new Registry();
  // As the broker logs, a line a request; nobody reads them.
  const log = pino({ level: 'info' }, pino.destination('/dev/null'));
  const clock = () => Date.now();
  const pipeline = createPipeline({ url: databaseUrl, epoch: () => 0, createEngine, now: clock, log, registry });
  await pipeline.start();
  const keys = await createBuyers(db, pipeline, keyCount);
  await createSupply(pipeline, nodes);
  const identity = createIdentity({ db, now });
  const health = { db, now };
  const app = await createHttpApp({ log, registry, authenticator: identity.authenticator, health });
  marketRoutes(app, {
    db,
    now,
    identity,
    pipeline,
    names: createProductNames(db, clock),
    states: await followProductStates(pipeline),
    marketStream: new MarketStream({ db, pipeline, now: clock, log }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  process.once('message', async () => {
    await app.close();
    await pipeline.stop();
    process.exit(0);
  });
  return { url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, keys };
}

/** Each an account with money, a user and a key, because the usual limit of requests a key stays on. */
async function createBuyers(db: Database, pipeline: RunningPipeline, count: number): Promise<string[]> {
  const texts: string[] = [];
  const at = new Date();
  for (let place = 0; place < count; place++) {
    const [accountId, userId, keyId] = [newId(), newId(), newId()];
    const { text, hash } = makeKey(keyId);
    await db.insertInto('accounts').values({ id: accountId, name: 'bench', created_at: at }).execute();
    const nobody = { password_hash: null, oidc_issuer: null, oidc_subject: null, disabled_at: null };
    const email = `${userId}@example.test`;
    await db
      .insertInto('users')
      .values({ id: userId, account_id: accountId, email, name: 'bench', role: 'consumer', created_at: at, ...nobody })
      .execute();
    const lasting = { expires_at: null, revoked_at: null, last_used_at: null };
    await db
      .insertInto('api_keys')
      .values({ id: keyId, user_id: userId, name: 'bench', hash, scopes: ['write'], created_at: at, ...lasting })
      .execute();
    const command: Command = { kind: 'deposit', id: newId(), accountId, amount: deposited, reference: 'bench' };
    await pipeline.submit({ command, actor: null });
    texts.push(text);
  }
  return texts;
}

/** Nodes of eight GPUs, each with a standing ask at one of many prices. */
async function createSupply(pipeline: RunningPipeline, nodes: number): Promise<void> {
  const accountId = newId();
  const add = async (place: number) => {
    const node = { ...nodeWith(gpusOfNode), accountId };
    await pipeline.submit({ command: { kind: 'supply', node }, actor: null });
    const pricing = priced(node.nodeId, million + (place % prices) * 100);
    await pipeline.submit({ command: { kind: 'set-pricing', pricing }, actor: null });
  };
  for (let first = 0; first < nodes; first += chunk) {
    await Promise.all(Array.from({ length: Math.min(chunk, nodes - first) }, (_, place) => add(first + place)));
  }
}
