// Who gets what from every route of the whole API: nobody, the wrong role, the wrong scope, another tenant, the owner.
// A route without a row in matrix/ fails, so none can be forgotten.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { roles } from '../../../src/api/identity.ts';
import { hasScope, policy } from '../../../src/broker/identity/policy.ts';
import type { Scope } from '../../../src/broker/identity/principal.ts';
import type { TestPrincipal, TestReply } from '../../fixtures/broker-http.ts';
import { type FullApi, type RegisteredRoute, startFullApi } from './full-api.ts';
import type { Call, MatrixRow } from './matrix/row.ts';

const files = globSync('matrix/*.ts', { cwd: import.meta.dirname }).filter((path) => !path.endsWith('row.ts'));
const modules: { rows: MatrixRow[] }[] = await Promise.all(
  files.map((path) => import(join(import.meta.dirname, path))),
);
const rows = new Map(modules.flatMap((module) => module.rows).map((row) => [row.route, row]));

const nameOf = ({ method, url }: RegisteredRoute) => `${method} ${url}`;

function pathOf(url: string, { params = {}, query = '' }: Call): string {
  return url.replaceAll(/:([a-z_]+)/g, (_text, name: string) => params[name] ?? `no-${name}`) + query;
}

async function send(
  api: FullApi,
  who: TestPrincipal | 'anonymous',
  route: RegisteredRoute,
  call: Call,
): Promise<TestReply> {
  const as = api.as(who);
  const path = pathOf(route.url, call);
  if (route.method === 'GET') return as.get(path);
  const method = route.method.toLowerCase() as 'post' | 'put' | 'patch';
  if (route.method === 'DELETE' && call.body === undefined) return as.delete(path);
  if (route.method === 'DELETE') return sendDelete(api, who, path, call.body);
  return as[method](path, call.body);
}

async function sendDelete(
  api: FullApi,
  who: TestPrincipal | 'anonymous',
  url: string,
  body: unknown,
): Promise<TestReply> {
  const headers: Record<string, string> = who === 'anonymous' ? {} : { authorization: `Bearer ${who.key}` };
  const reply = await api.app.inject({ method: 'DELETE', url, headers, payload: body as object });
  return { status: reply.statusCode, body: reply.json(), headers: reply.headers };
}

/** Somebody fresh: what one row does must not be in the way of another. */
async function owners(api: FullApi, route: RegisteredRoute) {
  const allowed = route.action === 'public' ? roles : policy[route.action].roles;
  const role = (['provider', 'consumer', 'admin'] as const).find((name) => allowed.includes(name)) ?? 'admin';
  return { role, owner: await api.addPrincipal(role), stranger: await api.addPrincipal(role) };
}

test('every route has a row, and every row a route', async () => {
  const api = await startFullApi();
  const registered = api.routes.map(nameOf).sort();
  expect([...rows.keys()].sort()).toEqual(
    registered
      .filter((name) => !/ \/(docs|health|openapi)/.test(name))
      .concat(['GET /health', 'GET /openapi.json'])
      .sort(),
  );
});

test('each gets what is theirs, and no more', async () => {
  const api = await startFullApi();
  const wrong: string[] = [];
  const expectStatus = (what: string, reply: TestReply, status: number) => {
    if (reply.status !== status)
      wrong.push(`${what}: ${reply.status} instead of ${status} ${JSON.stringify(reply.body).slice(0, 300)}`);
  };
  for (const route of api.routes) {
    const row = rows.get(nameOf(route));
    if (!row) continue;
    const { role, owner, stranger } = await owners(api, route);
    const name = nameOf(route);
    const call = (await row.call?.(api, owner)) ?? {};
    if (route.action !== 'public') {
      const { roles: allowed, scope } = policy[route.action];
      expectStatus(`${name} as nobody`, await send(api, 'anonymous', route, call), 401);
      for (const other of roles.filter((one) => !allowed.includes(one))) {
        expectStatus(`${name} as ${other}`, await send(api, api.principals[other], route, call), 403);
      }
      for (const given of (['read', 'telemetry', 'write'] as Scope[]).filter((one) => !hasScope([one], scope))) {
        const limited = await api.addPrincipal(role, { accountId: owner.accountId, scopes: [given] });
        expectStatus(`${name} with the scope ${given}`, await send(api, limited, route, call), 403);
      }
      if ((call.params || row.ownedBody) && role !== 'admin' && row.notOwned === undefined) {
        expectStatus(`${name} as another tenant`, await send(api, stranger, route, call), 404);
      }
    }
    expectStatus(`${name} as the owner`, await send(api, owner, route, call), row.success);
  }
  expect(wrong).toEqual([]);
}, 120_000);
