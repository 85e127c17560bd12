// /health as the SRS shows it; metrics and log of requests; an end that lets requests finish.
import { once } from 'node:events';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { DependencyState } from '../../../src/broker/api/http/health.ts';
import { closeServer, listen } from '../../../src/broker/api/http/server.ts';
import { openDatabase } from '../../../src/broker/storage/database.ts';
import { version } from '../../../src/daemon/version.ts';
import { startTestApi } from '../../fixtures/broker-http.ts';
import { testDatabase } from '../../fixtures/database.ts';

test('a broker that works says so, to everybody', async () => {
  let at = new Date('2026-01-05T08:30:00Z');
  const api = await startTestApi(() => {}, { now: () => at });
  at = new Date('2026-01-05T09:30:00Z');
  const { status, body } = await api.as('anonymous').get('/health');
  expect(status).toBe(200);
  expect(body).toEqual({
    status: 'healthy',
    timestamp: '2026-01-05T09:30:00.000Z',
    uptime_seconds: 3600,
    version,
    dependencies: { postgres: 'connected', redis: 'not configured' },
  });
});

test('without its database it is unhealthy, without another dependency degraded', async () => {
  const { db } = await testDatabase();
  let other: DependencyState = 'connected';
  let at = 0;
  const now = () => new Date(at);
  const api = await startTestApi(() => {}, { now, health: { db, now, dependencies: { kafka: async () => other } } });
  const health = async () => {
    at += 1000;
    const { status, body } = await api.as('anonymous').get('/health');
    return [status, body.status];
  };
  expect(await health()).toEqual([200, 'healthy']);
  other = 'disconnected';
  expect(await health()).toEqual([200, 'degraded']);
  const nobody = openDatabase({ url: 'postgres://nobody@127.0.0.1:1/none', connectTimeout: 200 });
  const away = await startTestApi(() => {}, { now, health: { db: nobody.db, now } });
  const reply = await away.as('anonymous').get('/health');
  expect(reply).toMatchObject({
    status: 503,
    body: { status: 'unhealthy', dependencies: { postgres: 'disconnected' } },
  });
  await nobody.close();
});

test('each request is a line in the log and an observation, by template and without secrets', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const api = await startTestApi(
    (app) => {
      app.get('/api/v2/things/:id', { config: { action: 'gpu.read' } }, async () => ({}));
    },
    { log },
  );
  await api.as('provider').get('/things/7');
  await api.as('anonymous').get('/somewhere/else?token=hidden');
  const [first, second] = lines.filter(({ msg }) => msg === 'request');
  expect(first).toMatchObject({
    route: '/api/v2/things/:id',
    method: 'GET',
    status: 200,
    principal: api.principals.provider.credentialId,
    ms: expect.any(Number),
    request: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
  });
  expect(second).toMatchObject({ route: 'none', status: 404 });
  expect(JSON.stringify(lines)).not.toContain('hidden');
  expect(JSON.stringify(lines)).not.toContain(api.principals.provider.key);
  const text = await api.registry.metrics();
  expect(text).toContain('gpubroker_api_latency_seconds_count{route="/api/v2/things/:id",method="GET",status="200"} 1');
  expect(text).toContain('gpubroker_api_requests_in_flight 0');
});

test('its end waits for requests in progress, unless it is forced', async () => {
  let release = () => {};
  const begun = Promise.withResolvers<void>();
  const api = await startTestApi((app) => {
    app.get('/api/v2/slow', { config: { action: 'public' } }, async () => {
      begun.resolve();
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return { done: true };
    });
  });
  const port = await listen(api.app, { host: '127.0.0.1', port: 0 });
  await expect(listen((await startTestApi(() => {})).app, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'GPUB_ADDRESS_IN_USE',
  });
  const reply = fetch(`http://127.0.0.1:${port}/api/v2/slow`);
  await begun.promise;
  const closed = closeServer(api.app);
  release();
  expect(await (await reply).json()).toEqual({ done: true });
  await closed;
});

test('a forced end cuts what still runs', async () => {
  const begun = Promise.withResolvers<void>();
  const api = await startTestApi((app) => {
    app.get('/api/v2/never', { config: { action: 'public' } }, (_request, reply) => {
      begun.resolve();
      return once(reply.raw, 'close');
    });
  });
  const port = await listen(api.app, { host: '127.0.0.1', port: 0 });
  const reply = fetch(`http://127.0.0.1:${port}/api/v2/never`).catch((error: unknown) => error);
  await begun.promise;
  const force = new AbortController();
  const closed = closeServer(api.app, force.signal);
  force.abort();
  await closed;
  expect(await reply).toBeInstanceOf(Error);
});
