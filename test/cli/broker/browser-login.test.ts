// `gpubroker login` through a browser: a user agent follows what is printed, to a real issuer and back.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { callbackPath } from '../../../src/broker/identity/oidc.ts';
import { signInByBrowser } from '../../../src/cli/broker/browser-sign-in.ts';
import { runCommandLine } from '../../../src/cli/run.ts';
import { createClient } from '../../../src/client/client.ts';
import { startIssuer, type TestIssuer } from '../../fixtures/oidc-issuer.ts';
import { emptyHome, type ServedBroker, testBroker } from './broker.ts';

interface World {
  readonly broker: ServedBroker;
  readonly issuer: TestIssuer;
  readonly profile: string;
}

async function world(): Promise<World> {
  let issuer: TestIssuer | undefined;
  const broker = await testBroker({
    oidc: async (url) => {
      issuer ??= await startIssuer(`${url}${callbackPath}`);
      const { clientId, clientSecret } = issuer;
      return { issuer: issuer.url, clientId, clientSecret, redirectBase: url, rolesClaim: 'roles' };
    },
  });
  if (!issuer) throw new Error('no issuer was started');
  issuer.users.ada = { email: 'ada@example.org', email_verified: true, name: 'Ada', roles: ['provider'] };
  return { broker, issuer, profile: join(emptyHome(), 'config', 'gpubroker', 'login.json') };
}

/** Everything that is written from now on. */
function listen(): { stdout: string; stderr: string } {
  const written = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    const spy = vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      written[stream] += text;
      return true;
    });
    onTestFinished(() => spy.mockRestore());
  }
  return written;
}

async function printedUrl(written: { stderr: string }): Promise<string> {
  for (;;) {
    const [url] = /http:\/\/\S+\/oidc\/start\S+/.exec(written.stderr) ?? [];
    if (url) return url;
    await sleep(5);
  }
}

/** Goes as a browser does, to the page that the command line serves; returns its address. */
async function browse({ issuer, broker }: World, url: string): Promise<string> {
  const start = await fetch(url, { redirect: 'manual' });
  const [cookie = ''] = String(start.headers.get('set-cookie')).split(';', 1);
  const callback = await issuer.signIn(String(start.headers.get('location')), 'ada');
  expect(callback.startsWith(broker.url)).toBe(true);
  const end = await fetch(callback, { redirect: 'manual', headers: { cookie } });
  expect(end.status).toBe(302);
  return String(end.headers.get('location'));
}

test('the printed address leads to the issuer, and back to a session', async () => {
  const all = await world();
  const written = listen();
  const running = runCommandLine(['login', '--broker', all.broker.url]);
  const place = await browse(all, await printedUrl(written));
  expect(place).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback\?code=/);
  // Something on this machine that asks first, without a code, changes nothing.
  expect((await fetch(new URL('/callback', place))).status).toBe(400);
  const page = await fetch(place);
  expect([page.status, await page.text()]).toEqual([200, 'Signed in; this page can be closed.\n']);
  expect(await running).toBe(0);
  expect(written.stdout).toContain('as ada@example.org (provider)');
  const { token } = JSON.parse(readFileSync(all.profile, 'utf8'));
  expect(written.stdout + written.stderr).not.toContain(token);
  await expect(fetch(place), 'nobody listens any more').rejects.toThrow();
});

test('a code that somebody made up is refused, and nothing kept', async () => {
  const all = await world();
  const written = listen();
  const running = runCommandLine(['login', '--broker', all.broker.url]);
  const redirect = new URL(await printedUrl(written)).searchParams.get('cli_redirect');
  expect((await fetch(`${redirect}?code=${'x'.repeat(43)}`)).status).toBe(200);
  expect(await running).toBe(1);
  expect(written.stderr).toContain('[GPUB_UNAUTHENTICATED]');
  expect(existsSync(all.profile)).toBe(false);
});

test('nobody comes back in time', async () => {
  const { broker } = await world();
  listen();
  const client = createClient({ url: broker.url });
  await expect(signInByBrowser(client, broker.url, 50)).rejects.toThrow(/nobody signed in within/);
});

test('a broker without an issuer says so at once', async () => {
  const broker = await testBroker();
  const { code, stderr } = await broker.as('nobody', 'login', '--broker', broker.url);
  expect(code).toBe(2);
  expect(stderr).toContain('has no OIDC issuer: give --email, or --api-key-file');
});
