// What every route has in common: problems, strict input, access.
import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { IdParams, OneOf } from '../../../src/api/fields.ts';
import { PageQuery } from '../../../src/api/lists.ts';
import type { ApiServer } from '../../../src/broker/api/http/app.ts';
import { notFound } from '../../../src/broker/refusal.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';

function things(app: ApiServer): void {
  const body = Type.Object({
    name: Type.String({ minLength: 1 }),
    count: Type.Integer({ minimum: 1, maximum: 9 }),
    kind: Type.Optional(OneOf(['a', 'b'])),
    password: Type.Optional(Type.String({ minLength: 100 })),
    inner: Type.Optional(Type.Object({ list: Type.Array(Type.Object({ x: Type.Number() })) })),
    any: Type.Optional(Type.Unknown()),
  });
  const common = { summary: 'A thing', tags: ['things'] };
  app.post(
    '/api/v2/things',
    { schema: { ...common, body }, config: { action: 'cluster.create' } },
    async (request) => ({
      got: request.body,
    }),
  );
  app.get(
    '/api/v2/things',
    { schema: { ...common, querystring: PageQuery }, config: { action: 'gpu.read' } },
    async (request) => ({
      query: request.query,
      who: request.principal.userId,
    }),
  );
  app.get(
    '/api/v2/things/:id',
    { schema: { ...common, params: IdParams }, config: { action: 'gpu.read' } },
    async (request) => {
      throw notFound('thing', request.params.id);
    },
  );
  app.get('/api/v2/broken', { schema: common, config: { action: 'public' } }, async () => {
    throw new Error('the secret inside');
  });
}

test('credentials, role and scope decide', async () => {
  const api = await startTestApi(things);
  const body = { name: 'n', count: 1 };
  expect(await api.as('anonymous').post('/things', body)).toMatchObject({
    status: 401,
    body: { code: 'GPUB_UNAUTHENTICATED', status: 401 },
    headers: { 'www-authenticate': 'Bearer', 'content-type': 'application/problem+json' },
  });
  expect(await api.as('consumer').post('/things', body)).toMatchObject({
    status: 403,
    body: { code: 'GPUB_FORBIDDEN' },
  });
  expect(await api.as('provider').post('/things', body)).toMatchObject({ status: 200, body: { got: body } });
  const reader = await api.addPrincipal('provider', { scopes: ['read'] });
  expect(await api.as(reader).post('/things', body)).toMatchObject({ status: 403 });
  expect(await api.as(reader).get('/things')).toMatchObject({ status: 200, body: { query: { limit: 50 } } });
});

test('a route without an action cannot be registered', async () => {
  await expect(startTestApi((app) => void app.get('/x', async () => ''))).rejects.toThrow(
    'GET /x has no config.action',
  );
});

test('unknown and wrong fields are refused, each with field, value and what is allowed', async () => {
  const api = await startTestApi(things);
  const { status, body } = await api.as('provider').post('/things', {
    name: 7,
    count: '3',
    kind: 'c',
    password: 'hunter2',
    extra: 1,
    inner: { list: [{ x: 1 }, { x: 'y' }] },
  });
  expect(status).toBe(400);
  expect(JSON.stringify(body)).not.toContain('hunter2');
  expect(body).toMatchObject({
    code: 'GPUB_INVALID',
    status: 400,
    request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  const byField = Object.fromEntries(body.errors.map((error: { field: string }) => [error.field, error]));
  expect(byField).toMatchObject({
    'body.name': { value: 7, allowed: 'text' },
    'body.count': { value: '3', allowed: 'a whole number from 1 to 9' },
    'body.kind': { value: 'c', allowed: 'one of a, b' },
    'body.extra': { allowed: 'only name, count, kind, password, inner, any' },
    'body.inner.list[1].x': { value: 'y', allowed: 'a number' },
  });
  expect(byField['body.password']).not.toHaveProperty('value');
});

test('query values become the declared types, or are refused', async () => {
  const api = await startTestApi(things);
  const as = api.as('consumer');
  expect((await as.get('/things?limit=7')).body.query).toEqual({ limit: 7 });
  for (const query of ['limit=7x', 'limit=0', 'limit=501', 'limit=', 'limit=1&limit=2', 'other=1']) {
    expect(await as.get(`/things?${query}`), query).toMatchObject({ status: 400, body: { code: 'GPUB_INVALID' } });
  }
  expect(await as.get('/broken?x=1')).toMatchObject({ status: 400, body: { field: 'query.x', allowed: 'nothing' } });
});

test('text that no database holds, and deep nesting, are refused', async () => {
  const api = await startTestApi(things);
  const as = api.as('provider');
  const good = { name: 'n', count: 1 };
  expect(await as.post('/things', { ...good, name: 'a\0b' })).toMatchObject({
    status: 400,
    body: { field: 'body.name' },
  });
  expect(await as.post('/things', { ...good, any: { a: ['\ud800'] } })).toMatchObject({ status: 400 });
  const raw = `{"name":"n","count":1,"any":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  const reply = await api.app.inject({
    method: 'POST',
    url: '/api/v2/things',
    payload: raw,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${api.principals.provider.key}` },
  });
  expect(reply.statusCode).toBe(400);
});

test('every other failure is a problem too', async () => {
  const api = await startTestApi(things);
  const as = api.as('provider');
  const send = (options: object) =>
    api.app.inject({
      method: 'POST',
      url: '/api/v2/things',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${api.principals.provider.key}` },
      ...options,
    });
  expect(await as.get('/nothing')).toMatchObject({ status: 404, body: { code: 'GPUB_NOT_FOUND' } });
  expect(await as.put('/things', {})).toMatchObject({
    status: 405,
    body: { code: 'GPUB_METHOD_NOT_ALLOWED' },
    headers: { allow: 'POST, GET' },
  });
  expect((await send({ payload: '{' })).json()).toMatchObject({ status: 400, code: 'GPUB_MALFORMED' });
  expect((await send({ payload: '{"__proto__":{}}' })).json()).toMatchObject({ status: 400 });
  expect((await send({ payload: JSON.stringify('x'.repeat(1_100_000)) })).json()).toMatchObject({
    status: 413,
    code: 'GPUB_TOO_LARGE',
  });
  const authorization = `Bearer ${api.principals.provider.key}`;
  expect((await send({ payload: 'x', headers: { 'content-type': 'text/plain', authorization } })).json()).toMatchObject(
    {
      status: 415,
      code: 'GPUB_UNSUPPORTED_MEDIA_TYPE',
    },
  );
  expect((await api.app.inject({ url: '/api/v2/things/%zz' })).json()).toMatchObject({ status: 400 });
  const broken = await as.get('/broken');
  expect(broken).toMatchObject({ status: 500, body: { code: 'GPUB_INTERNAL' } });
  expect(JSON.stringify(broken.body)).not.toContain('secret');
  expect(await as.get('/things/not-an-id')).toMatchObject({
    status: 400,
    body: { field: 'params.id', allowed: 'a UUID' },
  });
  expect(await as.get('/things/0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c')).toMatchObject({ status: 404 });
});

test('what stands in the place of an object is not repeated: it may be a secret that belongs into it', async () => {
  const api = await startTestApi(things);
  const { body } = await api.as('provider').post('/things', { name: 'a', count: 1, inner: 'hunter2' });
  expect(body.errors).toEqual([expect.objectContaining({ field: 'body.inner', allowed: 'an object' })]);
  expect(JSON.stringify(body)).not.toContain('hunter2');
});
