// The names and shapes in routes.ts are those of the routes that the broker serves.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import * as Alerts from '../../src/api/alerts.ts';
import * as Audit from '../../src/api/audit.ts';
import * as Clusters from '../../src/api/clusters.ts';
import * as Fields from '../../src/api/fields.ts';
import * as Gpus from '../../src/api/gpus.ts';
import * as Identity from '../../src/api/identity.ts';
import * as Incidents from '../../src/api/incidents.ts';
import * as Inventory from '../../src/api/inventory.ts';
import { PageQuery } from '../../src/api/lists.ts';
import * as Market from '../../src/api/market.ts';
import * as Nodes from '../../src/api/nodes.ts';
import * as Orders from '../../src/api/orders.ts';
import * as Pools from '../../src/api/pools.ts';
import * as Pricing from '../../src/api/pricing.ts';
import * as Products from '../../src/api/products.ts';
import * as Providers from '../../src/api/providers.ts';
import * as Telemetry from '../../src/api/telemetry.ts';
import * as Verifications from '../../src/api/verifications.ts';
import * as Wallets from '../../src/api/wallets.ts';
import { type ServedRoute, serveBroker } from '../cli/broker/broker.ts';

const schemas: Record<string, unknown> = {
  Alerts,
  Audit,
  Clusters,
  Gpus,
  Identity,
  Incidents,
  Inventory,
  Market,
  Nodes,
  Orders,
  Pools,
  Pricing,
  Products,
  Providers,
  Telemetry,
  Verifications,
  Wallets,
  PageQuery,
  Fields,
  Done: Fields.Done,
};

/** A browser goes there by itself, and is led on; a payment system signs what it sends: nothing for a client. */
const forOthers = ['GET /auth/oidc/callback', 'GET /auth/oidc/start', 'POST /wallet/payments'];

/** Each line of the table: its name, its kind, and the names of the types in it. */
const source = readFileSync(join(import.meta.dirname, '../../src/client/routes.ts'), 'utf8');
const known = [
  ...source.matchAll(/^ {2}'([A-Z]+ \S+)': (?:(Answers|Lists|Takes)<(.*)>|\{ response: undefined \});$/gm),
].map(([, name = '', kind = '', types = '']) => ({ name, kind, types: types.split(', ').map(schemaOf) }));

/** `typeof Pools.Pool`, `Static<typeof Pools.PoolMembers>` and `Pools.NewPool` are all the schema of that name. */
function schemaOf(type: string): unknown {
  const [, path = ''] = /([A-Z]\w*(?:\.\w+)?)>?$/.exec(type) ?? [];
  return path.split('.').reduce((at: unknown, name) => (at as Record<string, unknown> | undefined)?.[name], schemas);
}

/** As JSON; the API closes the bodies that it takes, which their types do not say. */
const json = (value: unknown) =>
  JSON.parse(JSON.stringify(value ?? null, (name, inner) => (name === 'additionalProperties' ? undefined : inner)));

async function served(): Promise<readonly ServedRoute[]> {
  const broker = await serveBroker();
  onTestFinished(() => broker.close());
  return broker.routes;
}

test('every route of the document has its name here, and every name its route', async () => {
  const broker = await serveBroker();
  onTestFinished(() => broker.close());
  const document = (await (await fetch(`${broker.url}/openapi.json`)).json()) as { paths: Record<string, object> };
  const named = Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/api/v2/'))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.slice(7)}`));
  expect(known.length).toBeGreaterThan(70);
  expect([...known.map(({ name }) => name), ...forOthers].sort()).toEqual(named.sort());
});

test('answers, bodies and queries have the types of the route', async () => {
  const routes = await served();
  for (const { name, kind, types } of known) {
    const route = routes.find((one) => one.name === name);
    const [first, answer = first] = types;
    expect(json(route?.response), `what ${name} answers`).toEqual(json(answer));
    expect(json(route?.body), `what ${name} takes`).toEqual(json(kind === 'Takes' ? first : undefined));
    const query = Object.keys(properties(kind === 'Lists' ? first : undefined));
    expect(Object.keys(properties(route?.query)), `query of ${name}`).toEqual(query);
  }
});

function properties(schema: unknown): object {
  return (schema as { properties?: object } | undefined)?.properties ?? {};
}
