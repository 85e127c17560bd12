// Sessions and API keys over HTTP: what signs in, what does not, and when it ends.
import { createPublicKey, generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test, vi } from 'vitest';
import { identityRoutes } from '../../../src/broker/api/http/routes/identity.ts';
import { startTestApi, type TestApi } from '../../fixtures/broker-http.ts';

const password = 'correct horse battery';

async function withUser(options: { now?: () => Date } = {}) {
  const api = await startTestApi(identityRoutes, options);
  const { accountId } = api.principals.provider;
  const created = await api.as('admin').post('/users', {
    account_id: accountId,
    email: 'Ada@Example.org',
    name: 'Ada',
    role: 'provider',
    password,
  });
  expect(created).toMatchObject({ status: 201, body: { email: 'ada@example.org', has_password: true } });
  return { api, user: created.body };
}

async function login(api: TestApi, given = password) {
  return api.as('anonymous').post('/auth/login', { email: 'ada@example.org', password: given });
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const me = (api: TestApi, token: string) => api.as('anonymous').get('/auth/me', bearer(token));
const actions = async (api: TestApi) => {
  const rows = await api.db.selectFrom('audit_log').select(['action', 'outcome']).orderBy('seq').execute();
  return rows.map(({ action, outcome }) => `${action} ${outcome}`);
};

test('sign in, be somebody, sign out', async () => {
  const { api, user } = await withUser();
  const { status, body } = await login(api);
  expect(status).toBe(200);
  expect(body).toMatchObject({ token_type: 'Bearer', user: { id: user.id, role: 'provider' } });
  expect(JSON.stringify(body)).not.toContain('scrypt');
  const token = body.access_token;
  expect(await me(api, token)).toMatchObject({
    status: 200,
    body: { user: { id: user.id }, account: { id: user.account_id }, credential: { kind: 'user' } },
  });
  expect((await api.as('anonymous').post('/auth/logout', undefined, bearer(token))).body).toEqual({ success: true });
  expect(await me(api, token)).toMatchObject({ status: 401 });
  expect(await actions(api)).toEqual(['user.create allowed', 'session.start allowed', 'session.end allowed']);
});

test('a wrong password and an unknown user look the same, and are written down', async () => {
  const { api } = await withUser();
  const wrong = await login(api, 'wrong');
  const unknown = await api.as('anonymous').post('/auth/login', { email: 'nobody@example.org', password });
  expect(wrong.status).toBe(401);
  expect({ ...wrong.body, request_id: '' }).toEqual({ ...unknown.body, request_id: '' });
  expect((await actions(api)).filter((line) => line === 'session.start failed')).toHaveLength(2);
});

test('a password that is changed while it is checked opens no session', async () => {
  const { api, user } = await withUser();
  const { passwords } = api.services.identity;
  const check = passwords.check.bind(passwords);
  vi.spyOn(passwords, 'check').mockImplementationOnce(async (...given) => {
    const checked = await check(...given);
    await api.as('admin').patch(`/users/${user.id}`, { password: 'the thief is locked out' });
    return checked;
  });
  expect(await login(api)).toMatchObject({ status: 401 });
  expect(await api.db.selectFrom('sessions').selectAll().execute()).toEqual([]);
});

test('a stale token is no hindrance to signing in', async () => {
  const { api } = await withUser();
  const given = { email: 'ada@example.org', password };
  expect(await api.as('anonymous').post('/auth/login', given, bearer('stale'))).toMatchObject({ status: 200 });
});

test('a session ends by itself after twelve hours', async () => {
  let at = new Date('2026-01-05T00:00:00Z');
  const { api } = await withUser({ now: () => at });
  const { body } = await login(api);
  expect(body.expires_at).toBe('2026-01-05T12:00:00.000Z');
  at = new Date('2026-01-05T11:59:59Z');
  expect(await me(api, body.access_token)).toMatchObject({ status: 200 });
  at = new Date('2026-01-05T12:00:01Z');
  expect(await me(api, body.access_token)).toMatchObject({ status: 401 });
});

describe('tokens that we did not make', () => {
  test('are refused, however they are made', async () => {
    const { api } = await withUser();
    const { body } = await login(api);
    const token = body.access_token as string;
    const claims = decodeJwt(token);
    const { kid = '' } = decodeProtectedHeader(token);
    const row = await api.db.selectFrom('signing_keys').selectAll().executeTakeFirstOrThrow();
    const ours = await importJWK(row.private_jwk, 'EdDSA');
    const jwk = row.private_jwk as JsonWebKey;
    const { d: _private, ...publicJwk } = jwk;
    const publicPem = createPublicKey({ key: publicJwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const sign = (key: Parameters<SignJWT['sign']>[0], change: object = {}, header: object = {}) =>
      new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: 'EdDSA', kid, ...header }).sign(key);
    const foreign = generateKeyPairSync('ed25519').privateKey;
    const minute = Math.floor(Date.now() / 1000) - 60;
    const [head, payload, signature] = token.split('.');
    const forged = {
      'alg none': new UnsecuredJWT(claims).encode(),
      'alg none with our kid': `${Buffer.from(JSON.stringify({ alg: 'none', kid })).toString('base64url')}.${payload}.`,
      'HS256 with our public key': await sign(Buffer.from(publicPem), {}, { alg: 'HS256' }),
      'a foreign key': await sign(foreign),
      'a foreign key with a foreign kid': await sign(foreign, {}, { kid: 'x' }),
      'a foreign issuer': await sign(ours, { iss: 'other' }),
      'a foreign audience': await sign(ours, { aud: 'gpubroker-sign-in' }),
      expired: await sign(ours, { exp: minute }),
      'no end': await sign(ours, { exp: undefined }),
      'another session': await sign(ours, { sid: '0198c5a4-7d2f-7c3e-9b1a-4f5d6e7a8b9c' }),
      'no session': await sign(ours, { sid: undefined }),
      'changed claims': `${head}.${Buffer.from(JSON.stringify({ ...claims, sub: 'x' })).toString('base64url')}.${signature}`,
      'no signature': `${head}.${payload}.`,
      garbage: 'a.b.c',
      empty: '.',
      'an unfinished key': 'gpb_',
      'a key of nobody': `gpb_${'0'.repeat(32)}_${'A'.repeat(43)}`,
    };
    for (const [what, text] of Object.entries(forged)) {
      expect(await me(api, text), what).toMatchObject({ status: 401, body: { code: 'GPUB_UNAUTHENTICATED' } });
    }
    expect(await me(api, await sign(ours)), 'the test can sign').toMatchObject({ status: 200 });
    expect(await api.as('anonymous').get('/auth/me', { authorization: 'Basic YTpi' })).toMatchObject({ status: 401 });
  });

  test('a token of a key that was replaced is good until it ends', async () => {
    let at = new Date('2026-01-05T00:00:00Z');
    const { api } = await withUser({ now: () => at });
    const first = (await login(api)).body.access_token;
    at = new Date(at.getTime() + 90 * 24 * 3600_000 - 3600_000);
    const old = (await login(api)).body.access_token;
    at = new Date(at.getTime() + 2 * 3600_000);
    const young = (await login(api)).body.access_token;
    expect(decodeProtectedHeader(old).kid).toBe(decodeProtectedHeader(first).kid);
    expect(decodeProtectedHeader(young).kid).not.toBe(decodeProtectedHeader(old).kid);
    expect(await me(api, old)).toMatchObject({ status: 200 });
    expect(await me(api, young)).toMatchObject({ status: 200 });
    expect(await me(api, first)).toMatchObject({ status: 401 });
  });
});

describe('API keys', () => {
  test('are shown once, work, and end at once when revoked', async () => {
    const { api } = await withUser();
    const made = await api.as('provider').post('/auth/api-keys', { name: 'ci', scopes: ['read'] });
    expect(made).toMatchObject({ status: 201, body: { name: 'ci', scopes: ['read'] } });
    const { id, key } = made.body;
    expect(key).toMatch(/^gpb_[0-9a-f]{32}_[\w-]{43}$/);
    expect(await me(api, key)).toMatchObject({ status: 200, body: { credential: { id, scopes: ['read'] } } });
    const listed = await api.as('provider').get('/auth/api-keys');
    expect(JSON.stringify(listed.body)).not.toContain(key);
    expect(listed.body.items.find((item: { id: string }) => item.id === id).last_used_at).not.toBeNull();
    const stored = await api.db.selectFrom('api_keys').select('hash').where('id', '=', id).executeTakeFirstOrThrow();
    expect(stored.hash.toString('latin1')).not.toContain(key.slice(37));
    expect(await me(api, `${key.slice(0, -1)}${key.endsWith('A') ? 'E' : 'A'}`)).toMatchObject({ status: 401 });
    expect(await api.as('consumer').delete(`/auth/api-keys/${id}`)).toMatchObject({ status: 404 });
    expect(await api.as('provider').delete(`/auth/api-keys/${id}`)).toMatchObject({ status: 200 });
    expect(await me(api, key)).toMatchObject({ status: 401 });
  });

  test('are revoked by admins too, and their owners can read who did', async () => {
    const { api } = await withUser();
    const { id, key } = (await api.as('provider').post('/auth/api-keys', { name: 'ci', scopes: ['read'] })).body;
    expect(await api.as('admin').delete(`/auth/api-keys/${id}`)).toMatchObject({ status: 200 });
    expect(await me(api, key)).toMatchObject({ status: 401 });
    expect((await api.as('provider').get('/audit?action=api-key.revoke')).body.items).toMatchObject([
      { actor: { id: api.principals.admin.credentialId }, target: { id } },
    ]);
  });

  test('end by themselves', async () => {
    let at = new Date('2026-01-05T00:00:00Z');
    const api = await startTestApi(identityRoutes, { now: () => at });
    const given = { name: 'short', scopes: ['read'], expires_at: '2026-01-05T01:00:00Z' };
    const { key } = (await api.as('provider').post('/auth/api-keys', given)).body;
    at = new Date('2026-01-05T00:59:59Z');
    expect(await me(api, key)).toMatchObject({ status: 200 });
    at = new Date('2026-01-05T01:00:00Z');
    expect(await me(api, key)).toMatchObject({ status: 401 });
    expect(await api.as('provider').post('/auth/api-keys', given)).toMatchObject({ status: 400 });
  });

  test('never give more than their owner has', async () => {
    const { api } = await withUser();
    const writer = await api.addPrincipal('provider', { scopes: ['write'] });
    expect(await api.as(writer).post('/auth/api-keys', { name: 'x', scopes: ['admin'] })).toMatchObject({
      status: 403,
    });
    const { key } = (await api.as('consumer').post('/auth/api-keys', { name: 'x', scopes: ['admin'] })).body;
    expect(await api.as('anonymous').get('/users', bearer(key))).toMatchObject({ status: 403 });
  });

  test('write down when they were used, at most once a minute', async () => {
    let at = new Date('2026-01-05T00:00:00Z');
    const api = await startTestApi(identityRoutes, { now: () => at });
    const used = async () => {
      await api.as('provider').get('/auth/me');
      const rows = api.db
        .selectFrom('api_keys')
        .select('last_used_at')
        .where('id', '=', api.principals.provider.credentialId);
      return (await rows.executeTakeFirstOrThrow()).last_used_at?.toISOString();
    };
    expect(await used()).toBe('2026-01-05T00:00:00.000Z');
    at = new Date('2026-01-05T00:00:30Z');
    expect(await used()).toBe('2026-01-05T00:00:00.000Z');
    at = new Date('2026-01-05T00:01:00Z');
    expect(await used()).toBe('2026-01-05T00:01:00.000Z');
  });
});

describe('users', () => {
  test('a disabled one is out at once, session and key', async () => {
    const { api, user } = await withUser();
    const token = (await login(api)).body.access_token;
    const { key } = (await api.as('anonymous').post('/auth/api-keys', { name: 'k', scopes: ['read'] }, bearer(token)))
      .body;
    expect(await me(api, key)).toMatchObject({ status: 200 });
    expect(await api.as('admin').delete(`/users/${user.id}`)).toMatchObject({ status: 200 });
    expect(await me(api, token)).toMatchObject({ status: 401 });
    expect(await me(api, key)).toMatchObject({ status: 401 });
    expect(await login(api)).toMatchObject({ status: 401 });
  });

  test('a new role counts at once', async () => {
    const { api, user } = await withUser();
    const token = (await login(api)).body.access_token;
    expect(await api.as('anonymous').get('/users', bearer(token))).toMatchObject({ status: 403 });
    await api.as('admin').patch(`/users/${user.id}`, { role: 'admin' });
    expect(await api.as('anonymous').get('/users', bearer(token))).toMatchObject({ status: 200 });
  });

  test('a new password ends the other sessions, and asks for the old one', async () => {
    const { api } = await withUser();
    const mine = (await login(api)).body.access_token;
    const other = (await login(api)).body.access_token;
    const change = (body: object) => api.as('anonymous').put('/auth/password', body, bearer(mine));
    const next = 'another long password';
    expect(await change({ new_password: next })).toMatchObject({ status: 400 });
    expect(await change({ current_password: 'wrong', new_password: next })).toMatchObject({ status: 403 });
    expect(await change({ current_password: password, new_password: 'short' })).toMatchObject({ status: 400 });
    expect(await change({ current_password: password, new_password: next })).toMatchObject({ status: 200 });
    expect(await me(api, other)).toMatchObject({ status: 401 });
    expect(await me(api, mine)).toMatchObject({ status: 200 });
    expect(await login(api)).toMatchObject({ status: 401 });
    expect(await login(api, next)).toMatchObject({ status: 200 });
  });

  test('the last admin stays, and an e-mail address is one user’s', async () => {
    const { api, user } = await withUser();
    const { userId } = api.principals.admin;
    expect(await api.as('admin').delete(`/users/${userId}`)).toMatchObject({ status: 409 });
    expect(await api.as('admin').patch(`/users/${userId}`, { role: 'provider' })).toMatchObject({ status: 409 });
    const again = { account_id: user.account_id, email: 'ADA@example.org', name: 'A', role: 'consumer' };
    expect(await api.as('admin').post('/users', again)).toMatchObject({ status: 409, body: { code: 'GPUB_CONFLICT' } });
  });
});

test('the audit log is read by page: one’s own, or as admin all', async () => {
  const { api } = await withUser();
  for (let i = 0; i < 3; i++) await api.as('provider').post('/auth/api-keys', { name: `k${i}`, scopes: ['read'] });
  await api.as('consumer').post('/auth/api-keys', { name: 'c', scopes: ['read'] });
  const own = await api.as('provider').get('/audit?action=api-key.create&limit=2&order=oldest');
  expect(own.body.items.map(({ details }: { details: { name: string } }) => details.name)).toEqual(['k0', 'k1']);
  const next = await api
    .as('provider')
    .get(`/audit?action=api-key.create&limit=2&order=oldest&cursor=${own.body.next_cursor}`);
  expect(next.body).toMatchObject({ items: [{ details: { name: 'k2' } }], next_cursor: null });
  const foreign = api.principals.consumer.accountId;
  expect((await api.as('provider').get(`/audit?account_id=${foreign}`)).body.items).toEqual([]);
  expect((await api.as('admin').get('/audit')).body.items).toHaveLength(5);
  expect((await api.as('admin').get(`/audit?account_id=${foreign}`)).body.items).toHaveLength(1);
  expect(await api.as('provider').get('/audit/chain')).toMatchObject({ status: 403 });
  expect((await api.as('admin').get('/audit/chain')).body).toMatchObject({ start: { seq: 0 }, end: { seq: 5 } });
  expect(await api.as('admin').get('/audit?cursor=xx')).toMatchObject({ status: 400, body: { field: 'query.cursor' } });
});
