// /livez, /healthz and /readyz as an orchestrator sees them.

import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HttpService } from '../../src/daemon/http-service.ts';
import { startProbes } from '../../src/daemon/probes.ts';
import { Readiness } from '../../src/daemon/readiness.ts';

const readiness = new Readiness();
let service: HttpService;

beforeAll(async () => {
  service = await startProbes({ host: '127.0.0.1', port: 0, readiness, log: pino({ enabled: false }) });
});

afterAll(() => service.close());

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(`http://127.0.0.1:${service.port}${path}`, { headers });
  return { status: response.status, body: await response.text(), type: response.headers.get('content-type') };
}

test('ready', async () => {
  readiness.ok('startup');
  expect(await get('/readyz')).toMatchObject({ status: 200, body: 'ok\n' });
  expect((await get('/readyz?verbose')).body).toBe('[+]startup ok\nreadyz check passed\n');
});

test('not ready, with the reason', async () => {
  readiness.notReady('nvml', 'first enumeration is not complete');
  expect(await get('/readyz')).toMatchObject({
    status: 503,
    body: '[+]startup ok\n[-]nvml reason: first enumeration is not complete\nreadyz check failed\n',
  });
  expect(await get('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
  expect(await get('/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
});

test('ready with a warning says so', async () => {
  readiness.warn('nvml', 'one GPU hangs');
  expect(await get('/readyz')).toMatchObject({
    status: 200,
    body: '[+]startup ok\n[+]nvml ok warning: one GPU hangs\nreadyz check passed\n',
  });
});

test('JSON for programs', async () => {
  readiness.notReady('nvml', 'gone');
  const { status, body, type } = await get('/readyz', { accept: 'application/json' });
  expect([status, type]).toEqual([503, 'application/json']);
  expect(JSON.parse(body)).toEqual({
    status: 'not-ready',
    checks: [
      { name: 'startup', state: 'ok', message: '' },
      { name: 'nvml', state: 'not-ready', message: 'gone' },
    ],
  });
});
