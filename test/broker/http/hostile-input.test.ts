// Hostile values in every field of every route, taken from the OpenAPI document: refused or taken as text, never a 500.
import { expect, test } from 'vitest';
import type { TestReply } from '../../fixtures/broker-http.ts';
import { type FullApi, startFullApi } from './full-api.ts';

// biome-ignore lint/suspicious/noExplicitAny: schemas of any shape
type Json = any;

const id = '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c';
const texts = [
  "'; drop table users; --",
  "' or '1'='1",
  '%00',
  '\0',
  '\ud800',
  '../../etc/passwd',
  '$'.concat('{7*7}{{7*7}}%s%n'),
  '💣'.repeat(200),
  'x'.repeat(20_000),
  '\u202e\u200b\ufeff',
  '9'.repeat(400),
  '-1',
  '1e308',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:60Z',
  '2026-02-30T00:00:00Z',
  Buffer.from(JSON.stringify({ a: [1, "' or 1=1"] })).toString('base64url'),
  Buffer.from('"\\u0000"').toString('base64url'),
  Buffer.from('99999999999999999999').toString('base64url'),
];
const values = [...texts, null, true, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, [], {}, [[]], { $gt: '' }, ['a', 1]];

/** A value that a schema takes. */
function sample(schema: Json): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.default !== undefined) return schema.default;
  if (schema.anyOf) return sample(schema.anyOf[0]);
  if (schema.examples) return schema.examples[0];
  if (schema.type === 'object') {
    const needed: string[] = schema.required ?? [];
    return Object.fromEntries(needed.map((name) => [name, sample(schema.properties[name])]));
  }
  if (schema.type === 'array') return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items));
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1;
  if (schema.type === 'boolean') return true;
  if (schema.format === 'uuid') return id;
  if (schema.format === 'date-time') return '2026-01-05T09:30:00Z';
  if (schema.format === 'email') return 'a@example.org';
  if (schema.pattern?.includes('http')) return 'http://127.0.0.1:9/';
  return 'x'.repeat(Math.max(3, schema.minLength ?? 3));
}

/** Bodies with one hostile value in one place each, at any depth. */
function* spoiled(
  schema: Json,
  whole: unknown,
  put: (value: unknown) => unknown,
  values: readonly unknown[],
): Generator<unknown> {
  for (const value of values) yield put(value);
  if (schema.anyOf) {
    for (const branch of schema.anyOf) yield* spoiled(branch, sample(branch), put, texts.slice(0, 6));
  }
  for (const [name, field] of Object.entries<Json>(schema.properties ?? {})) {
    const inner = (whole as Json)?.[name] ?? sample(field);
    yield* spoiled(field, inner, (value) => put({ ...(whole as object), [name]: value }), values);
  }
  if (schema.type === 'array' && schema.items) {
    yield* spoiled(schema.items, sample(schema.items), (value) => put([value]), values);
  }
}

test('no hostile value makes a server error', async () => {
  const api = await startFullApi();
  const { body: document } = await api.as('admin').get('/openapi.json');
  const failed: string[] = [];
  let sent = 0;
  const send = async (method: string, path: string, payload?: unknown) => {
    const reply = await call(api, method, path, payload);
    sent++;
    const problem = reply.status < 400 || typeof reply.body?.code === 'string';
    if (reply.status >= 500 || !problem) {
      failed.push(
        `${method} ${path.slice(0, 200)} ${JSON.stringify(payload)?.slice(0, 200)}: ${reply.status} ${JSON.stringify(reply.body)}`,
      );
    }
  };
  for (const [template, methods] of Object.entries<Json>(document.paths)) {
    // Streams, pages and the document itself take nothing.
    if (!template.startsWith('/api/')) continue;
    for (const [method, { parameters = [], requestBody }] of Object.entries<Json>(methods)) {
      const inPath = (value: string) => template.replaceAll(/\{\w+\}/g, encodeURIComponent(value));
      const plain = inPath(id);
      const body = requestBody?.content['application/json'].schema;
      const good = body ? sample(body) : undefined;
      const wellFormed = texts.filter((text) => text.isWellFormed() && text.length < 5_000);
      if (template.includes('{')) for (const text of wellFormed) await send(method, inPath(text), good);
      const query = parameters.filter((parameter: Json) => parameter.in === 'query').map(({ name }: Json) => name);
      for (const name of [...query, 'unknown', '__proto__']) {
        for (const text of wellFormed) await send(method, `${plain}?${name}=${encodeURIComponent(text)}`, good);
        await send(method, `${plain}?${name}=a&${name}=b&${name}[x]=1&${name}=%zz`, good);
      }
      if (body) for (const hostile of spoiled(body, good, (value) => value, values)) await send(method, plain, hostile);
    }
  }
  expect(failed).toEqual([]);
  expect(sent).toBeGreaterThan(1000);
}, 300_000);

async function call(
  api: FullApi,
  method: string,
  url: string,
  payload: unknown,
): Promise<Pick<TestReply, 'status' | 'body'>> {
  const reply = await api.app.inject({
    method: method.toUpperCase() as 'GET',
    url,
    headers: {
      authorization: `Bearer ${api.principals.admin.key}`,
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(payload === undefined ? {} : { payload: JSON.stringify(payload) }),
  });
  const json = String(reply.headers['content-type']).includes('json');
  return { status: reply.statusCode, body: json ? reply.json() : reply.body };
}
