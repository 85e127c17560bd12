// Signing in at a real OIDC issuer: who comes in as whom, and everything about a way through that may not fit.
import { createHash, randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { identityRoutes } from '../../../src/broker/api/http/routes/identity.ts';
import { callbackPath, Oidc, type OidcOptions } from '../../../src/broker/identity/oidc.ts';
import { roleOf } from '../../../src/broker/identity/oidc-users.ts';
import { startTestApi, type TestApi } from '../../fixtures/broker-http.ts';
import { startIssuer, type TestIssuer } from '../../fixtures/oidc-issuer.ts';

const redirectBase = 'http://127.0.0.1:10355';

interface World {
  readonly api: TestApi;
  readonly issuer: TestIssuer;
  readonly clock: { at: number };
}

async function world(options: Partial<OidcOptions> = {}): Promise<World> {
  const issuer = await startIssuer(`${redirectBase}${callbackPath}`);
  const clock = { at: Date.now() };
  const now = () => new Date(clock.at);
  const api = await startTestApi(
    (app, services) => {
      const { clientId, clientSecret } = issuer;
      const oidc = new Oidc(
        { issuer: issuer.url, clientId, clientSecret, redirectBase, rolesClaim: 'roles', ...options },
        services,
        pino({ level: 'silent' }),
      );
      identityRoutes(app, { ...services, oidc });
    },
    { now },
  );
  issuer.users.ada = { email: 'Ada@example.org', email_verified: true, name: 'Ada', roles: ['provider', 'other'] };
  return { api, issuer, clock };
}

async function start({ api }: World, query = '') {
  const reply = await api.as('anonymous').get(`/auth/oidc/start${query}`);
  const [cookie = ''] = String(reply.headers['set-cookie']).split(';', 1);
  return {
    status: reply.status,
    location: String(reply.headers.location),
    cookie,
    header: String(reply.headers['set-cookie']),
    body: reply.body,
  };
}

const back = ({ api }: World, callback: string, cookie: string) =>
  api.as('anonymous').get(callback.slice(redirectBase.length), cookie ? { cookie } : {});

async function signIn(all: World, subject: string) {
  const { location, cookie } = await start(all);
  return back(all, await all.issuer.signIn(location, subject), cookie);
}

describe('in a browser', () => {
  test('the first time makes an account and a user, the second finds them', async () => {
    const all = await world();
    const begun = await start(all);
    expect(begun.status).toBe(302);
    expect(begun.header).toMatch(/; Max-Age=600; HttpOnly; SameSite=Lax/);
    expect(begun.location).toMatch(/code_challenge_method=S256/);
    const { status, body } = await signIn(all, 'ada');
    expect(status).toBe(200);
    expect(body.user).toMatchObject({ email: 'ada@example.org', name: 'Ada', role: 'provider', has_password: false });
    const me = await all.api.as('anonymous').get('/auth/me', { authorization: `Bearer ${body.access_token}` });
    expect(me).toMatchObject({ status: 200, body: { user: { id: body.user.id } } });
    expect((await signIn(all, 'ada')).body.user.id).toBe(body.user.id);
  });

  test('without a role of ours somebody is a consumer, and follows the issuer later', async () => {
    const all = await world();
    all.issuer.users.bob = { email: 'bob@example.org' };
    expect((await signIn(all, 'bob')).body.user.role).toBe('consumer');
    all.issuer.users.bob = { email: 'bob@example.org', roles: ['developer'] };
    expect((await signIn(all, 'bob')).body.user.role).toBe('developer');
    all.issuer.users.bob = { email: 'bob@example.org', roles: [] };
    expect((await signIn(all, 'bob')).body.user.role).toBe('consumer');
  });

  test('an issuer that has no say in roles gives none and takes none', async () => {
    const all = await world({ rolesClaim: undefined });
    all.issuer.users.ada = { email: 'ada@example.org', roles: ['admin'] };
    const { id, role } = (await signIn(all, 'ada')).body.user;
    expect(role).toBe('consumer');
    await all.api.as('admin').patch(`/users/${id}`, { role: 'provider' });
    expect((await signIn(all, 'ada')).body.user.role).toBe('provider');
  });

  test('the issuer does not take away the last admin', async () => {
    const all = await world();
    all.issuer.users.ada = { email: 'ada@example.org', roles: ['admin'] };
    await signIn(all, 'ada');
    const { userId } = all.api.principals.admin;
    expect(await all.api.as('admin').patch(`/users/${userId}`, { disabled: true })).toMatchObject({ status: 200 });
    all.issuer.users.ada = { email: 'ada@example.org', roles: [] };
    expect(await signIn(all, 'ada')).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('last admin') },
    });
    const admins = await all.api.db.selectFrom('users').select('email').where('role', '=', 'admin').execute();
    expect(admins.map(({ email }) => email)).toContain('ada@example.org');
  });

  test('a local user of the same address is linked only if the issuer has verified it', async () => {
    const all = await world();
    const { accountId } = all.api.principals.consumer;
    const local = { account_id: accountId, email: 'eve@example.org', name: 'Eve', role: 'consumer' };
    const { id } = (await all.api.as('admin').post('/users', local)).body;
    all.issuer.users.eve = { email: 'eve@example.org', email_verified: false };
    expect(await signIn(all, 'eve')).toMatchObject({ status: 409, body: { code: 'GPUB_CONFLICT' } });
    all.issuer.users.eve = { email: 'eve@example.org', email_verified: true };
    expect((await signIn(all, 'eve')).body.user).toMatchObject({ id, account_id: accountId });
  });

  test('a disabled user stays out', async () => {
    const all = await world();
    const { id } = (await signIn(all, 'ada')).body.user;
    await all.api.as('admin').delete(`/users/${id}`);
    expect(await signIn(all, 'ada')).toMatchObject({ status: 403 });
  });
});

describe('what does not fit is refused', () => {
  test('state, nonce, cookie, code: foreign, missing, old or used', async () => {
    const all = await world();
    const one = await start(all);
    const callback = await all.issuer.signIn(one.location, 'ada');
    const two = await start(all);
    const refused = { status: 401, body: { code: 'GPUB_UNAUTHENTICATED' } };
    expect(await back(all, callback, ''), 'no cookie').toMatchObject(refused);
    expect(await back(all, callback, two.cookie), 'the cookie of another way').toMatchObject(refused);
    expect(await back(all, callback, 'gpubroker_sign_in=x.y.z'), 'a forged cookie').toMatchObject(refused);
    const changed = callback.replace(/state=[^&]+/, 'state=x');
    expect(await back(all, changed, one.cookie), 'another state').toMatchObject(refused);
    expect(await back(all, callback.replace(/code=[^&]+/, 'code=x'), one.cookie), 'another code').toMatchObject(
      refused,
    );
    expect(await back(all, `${callback}&error=access_denied`, one.cookie), 'an error').toMatchObject(refused);
    expect(await back(all, callback, one.cookie)).toMatchObject({ status: 200 });
    expect(await back(all, callback, one.cookie), 'a used code').toMatchObject(refused);
    const three = await start(all);
    const late = await all.issuer.signIn(three.location, 'ada');
    all.clock.at += 11 * 60_000;
    expect(await back(all, late, three.cookie), 'too late').toMatchObject(refused);
    const failed = await all.api.db.selectFrom('audit_log').select('details').where('outcome', '=', 'failed').execute();
    expect(failed.length).toBeGreaterThan(3);
  });

  test('a nonce that is not ours', async () => {
    const all = await world();
    const { location, cookie } = await start(all);
    const url = new URL(location);
    url.searchParams.set('nonce', 'planted');
    expect(await back(all, await all.issuer.signIn(url.href, 'ada'), cookie)).toMatchObject({ status: 401 });
  });

  test('a challenge that is not ours', async () => {
    const all = await world();
    const { location, cookie } = await start(all);
    const url = new URL(location);
    url.searchParams.set('code_challenge', createHash('sha256').update('planted').digest('base64url'));
    expect(await back(all, await all.issuer.signIn(url.href, 'ada'), cookie)).toMatchObject({ status: 401 });
  });

  test('a code that was made for another client', async () => {
    const all = await world();
    // The broker asks with another client's id than the code was made for.
    const { location, cookie } = await start(all);
    const callback = await all.issuer.signIn(location, 'ada');
    const other = await world({ issuer: all.issuer.url, clientId: 'another' });
    await other.api.db.deleteFrom('signing_keys').execute();
    const keys = await all.api.db.selectFrom('signing_keys').selectAll().execute();
    for (const key of keys) {
      await other.api.db
        .insertInto('signing_keys')
        .values({ ...key, private_jwk: JSON.stringify(key.private_jwk) })
        .execute();
    }
    expect(await back(other, callback, cookie)).toMatchObject({ status: 401 });
  });

  test('an issuer that is away is a matter of waiting', async () => {
    const all = await world();
    const { location, cookie } = await start(all);
    const callback = await all.issuer.signIn(location, 'ada');
    await all.issuer.close();
    expect(await back(all, callback, cookie)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    all.clock.at += 2 * 3600_000;
    expect(await start(all)).toMatchObject({ status: 503, body: { code: 'GPUB_UNAVAILABLE' } });
  });

  test('a broker without an issuer says so', async () => {
    const api = await startTestApi(identityRoutes);
    expect(await api.as('anonymous').get('/auth/oidc/start')).toMatchObject({ status: 404 });
  });
});

describe('for a command line', () => {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = (redirect: string) => `?cli_redirect=${encodeURIComponent(redirect)}&challenge=${challenge}`;

  async function codeOf(all: World): Promise<string> {
    const { location, cookie } = await start(all, query('http://127.0.0.1:4711/done'));
    const reply = await back(all, await all.issuer.signIn(location, 'ada'), cookie);
    expect(reply.status).toBe(302);
    const target = new URL(String(reply.headers.location));
    expect(target.href).toMatch(/^http:\/\/127\.0\.0\.1:4711\/done\?code=/);
    return target.searchParams.get('code') ?? '';
  }

  const exchange = (all: World, code: string, given = verifier) =>
    all.api.as('anonymous').post('/auth/oidc/exchange', { code, verifier: given });

  test('a code on loopback becomes a session, once, and with its verifier', async () => {
    const all = await world();
    const code = await codeOf(all);
    const stored = await all.api.db.selectFrom('sign_in_codes').select('hash').executeTakeFirstOrThrow();
    expect(stored.hash.toString('base64url')).not.toBe(code);
    expect(await exchange(all, code)).toMatchObject({ status: 200, body: { user: { email: 'ada@example.org' } } });
    expect(await exchange(all, code)).toMatchObject({ status: 401 });
    const second = await codeOf(all);
    expect(await exchange(all, second, 'x'.repeat(43))).toMatchObject({ status: 401 });
    expect(await exchange(all, second)).toMatchObject({ status: 401 });
    const third = await codeOf(all);
    all.clock.at += 61_000;
    expect(await exchange(all, third)).toMatchObject({ status: 401 });
  });

  test('only loopback is led to', async () => {
    const all = await world();
    for (const redirect of [
      'http://example.org/',
      'https://127.0.0.1/',
      'http://127.0.0.1.example.org/',
      'http://localhost@example.org/',
      'javascript:alert(1)',
      '//127.0.0.1/',
      'x',
    ]) {
      expect(await start(all, query(redirect)), redirect).toMatchObject({
        status: 400,
        body: { field: 'query.cli_redirect' },
      });
    }
    expect(await start(all, '?cli_redirect=http://127.0.0.1:1/')).toMatchObject({ status: 400 });
    expect(await start(all, query('http://[::1]:4711/'))).toMatchObject({ status: 302 });
  });
});

test('roles are found where the claim says, and are ours or consumer', () => {
  const claims = { iss: 'i', sub: 's', realm_access: { roles: ['x', 'consumer', 'provider'] }, one: 'developer' };
  expect(roleOf(claims, 'realm_access.roles')).toBe('provider');
  expect(roleOf(claims, 'one')).toBe('developer');
  expect(roleOf(claims, 'roles')).toBe('consumer');
  expect(roleOf(claims, '__proto__.roles')).toBe('consumer');
});
