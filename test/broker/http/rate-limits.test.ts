// Rate limits: per key, per address, per e-mail address; in one process, and in several through a real Redis.
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createHttpApp } from '../../../src/broker/api/http/app.ts';
import { LocalWindows } from '../../../src/broker/api/http/rate-limits.ts';
import { identityRoutes } from '../../../src/broker/api/http/routes/identity.ts';
import { openRedis, type SharedRedis } from '../../../src/broker/redis.ts';
import { testWith } from '../../capabilities.ts';
import { startTestApi, type TestApi } from '../../fixtures/broker-http.ts';
import { startRedis } from '../../fixtures/redis.ts';

const log = pino({ level: 'silent' });
const status = async (api: TestApi, who: 'provider' | 'consumer' = 'provider') =>
  (await api.as(who).get('/auth/me')).status;

describe('in one process', () => {
  test('a key that asks too often waits; others do not', async () => {
    const api = await startTestApi(identityRoutes, { limits: { caller: 3 } });
    for (let i = 0; i < 3; i++) expect(await status(api)).toBe(200);
    const refused = await api.as('provider').get('/auth/me');
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'GPUB_RATE_LIMITED', status: 429, retry_after: expect.any(Number) },
      headers: { 'content-type': 'application/problem+json', 'retry-after': expect.stringMatching(/^\d+$/) },
    });
    expect(await status(api, 'consumer')).toBe(200);
    expect((await api.as('anonymous').get('/health')).status).toBe(200);
  });

  test('bad credentials and paths that are not there count for the address', async () => {
    const api = await startTestApi(identityRoutes, { limits: { address: 3 } });
    const nobody = api.as('anonymous');
    expect((await nobody.get('/auth/me')).status).toBe(401);
    expect((await nobody.get('/nothing')).status).toBe(404);
    expect((await nobody.get('/auth/me', { authorization: 'Bearer x' })).status).toBe(401);
    expect((await nobody.get('/auth/me', { authorization: 'Bearer x' })).status).toBe(429);
    expect(await status(api)).toBe(200);
  });

  test('signing in is limited by address and by e-mail address', async () => {
    const api = await startTestApi(identityRoutes, { limits: { signIn: 5, email: 2 } });
    const login = async (email: string) =>
      (await api.as('anonymous').post('/auth/login', { email, password: 'x' })).status;
    expect([await login('a@example.org'), await login('A@example.org'), await login('a@example.org')]).toEqual([
      401, 401, 429,
    ]);
    expect([await login('b@example.org'), await login('c@example.org'), await login('d@example.org')]).toEqual([
      401, 401, 429,
    ]);
  });

  test('behind a proxy the address is what the proxy saw; what a client claims makes no other of it', async () => {
    const api = await startTestApi(identityRoutes, { behindProxy: true, limits: { address: 2 } });
    const ask = async (...addresses: string[]) => {
      const headers = { 'x-forwarded-for': addresses.join(', '), forwarded: 'for=9.9.9.9', 'x-real-ip': '9.9.9.9' };
      return (await api.as('anonymous').get('/auth/me', headers)).status;
    };
    expect([await ask('1.1.1.1', '8.8.8.8'), await ask('2.2.2.2', '8.8.8.8')]).toEqual([401, 401]);
    expect(await ask('3.3.3.3', '8.8.8.8')).toBe(429);
    expect(await ask('8.8.4.4')).toBe(401);
  });

  test('without a proxy nothing that a client claims is believed', async () => {
    const api = await startTestApi(identityRoutes, { limits: { address: 2 } });
    const ask = async (address: string) =>
      (await api.as('anonymous').get('/auth/me', { 'x-forwarded-for': address })).status;
    expect([await ask('1.1.1.1'), await ask('2.2.2.2'), await ask('3.3.3.3')]).toEqual([401, 401, 429]);
  });

  test('counts begin anew after their window, and are bounded', () => {
    const windows = new LocalWindows(2);
    expect(windows.count('a', 1000, 0)).toEqual({ current: 1, ttl: 1000 });
    expect(windows.count('a', 1000, 999)).toEqual({ current: 2, ttl: 1 });
    expect(windows.count('a', 1000, 1000)).toEqual({ current: 1, ttl: 1000 });
    windows.count('b', 1000, 1000);
    windows.count('c', 1000, 1000);
    expect(windows.size).toBe(2);
    expect(windows.count('a', 1000, 1001).current).toBe(1);
  });
});

/** Waits for what comes within seconds. */
async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await done()) return;
    await sleep(25);
  }
  throw new Error('it did not come');
}

async function connect(url: string): Promise<SharedRedis> {
  const redis = openRedis({ url, log });
  onTestFinished(() => redis.close());
  await until(() => redis.answers());
  return redis;
}

describe('through Redis', () => {
  testWith('redis-server')('two processes share a count, and go on alone when Redis is killed', async () => {
    const server = await startRedis();
    const first = await connect(server.url);
    const second = await connect(server.url);
    const limits = { caller: 4 };
    const api = await startTestApi(identityRoutes, { redis: first, limits });
    const { services } = api;
    const health = { db: api.db, now: services.now };
    const { authenticator } = services.identity;
    const other = await createHttpApp({ log, registry: new Registry(), authenticator, health, redis: second, limits });
    identityRoutes(other, services);
    onTestFinished(() => other.close());
    const authorization = `Bearer ${api.principals.provider.key}`;
    const elsewhere = async () =>
      (await other.inject({ url: '/api/v2/auth/me', headers: { authorization } })).statusCode;
    expect([await status(api), await elsewhere(), await status(api), await elsewhere()]).toEqual([200, 200, 200, 200]);
    expect([await status(api), await elsewhere()]).toEqual([429, 429]);
    const healthy = await api.as('anonymous').get('/health');
    expect(healthy).toMatchObject({ status: 200, body: { status: 'healthy', dependencies: { redis: 'connected' } } });

    await server.kill();
    // Nobody is turned away for it: each process counts for itself again, from nothing.
    expect([await status(api), await elsewhere()]).toEqual([200, 200]);
    await until(async () => (await api.as('anonymous').get('/health')).body.status === 'degraded');
    const degraded = await api.as('anonymous').get('/health');
    expect(degraded).toMatchObject({
      status: 200,
      body: { dependencies: { postgres: 'connected', redis: 'disconnected' } },
    });
    expect([await status(api), await status(api), await status(api), await status(api)]).toEqual([200, 200, 200, 429]);

    await server.start();
    await until(() => first.answers());
    expect(await status(api)).toBe(200);
  });
});
