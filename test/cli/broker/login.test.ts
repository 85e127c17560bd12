// `gpubroker login` with a password or a key, `whoami`, `logout`, `password`: what is kept, and what is never shown.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { command } from '../command.ts';
import { emptyHome, type ServedBroker, sharedBroker, standardInput } from './broker.ts';

const broker = sharedBroker(async (served) => {
  await makeAda(served);
});
const email = 'ada@example.org';
const password = 'correct horse battery staple';

async function makeAda({ people, url }: ServedBroker): Promise<void> {
  const body = { account_id: people.provider.accountId, email, name: 'Ada', role: 'provider', password };
  const headers = { authorization: `Bearer ${people.admin.key}`, 'content-type': 'application/json' };
  const reply = await fetch(`${url}/api/v2/users`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(reply.status).toBe(201);
}

/** A new home, and the file in which a login is kept there. */
function home(): { folder: string; profile: string } {
  const folder = emptyHome();
  return { folder, profile: join(folder, 'config', 'gpubroker', 'login.json') };
}

const login = (...more: string[]) => command('login', '--broker', broker().url, '--email', email, ...more);

test('with a password, which nobody sees; then commands need no flags', async () => {
  const { profile } = home();
  standardInput(`${password}\n`);
  const outcome = await login();
  expect(outcome).toEqual({
    code: 0,
    stdout: `Signed in to ${broker().url} as ${email} (provider); kept in ${profile}.\n`,
    stderr: '',
  });
  expect(statSync(profile).mode & 0o777).toBe(0o600);
  const kept = readFileSync(profile, 'utf8');
  expect(kept).not.toContain(password);
  const { token, url, expiresAt } = JSON.parse(kept);
  expect([url, Date.parse(expiresAt) > Date.now()]).toEqual([broker().url, true]);
  const who = await command('whoami');
  expect(who.stdout).toMatch(/^email +ada@example\.org\nrole +provider\n/);
  expect(who.stdout + who.stderr).not.toContain(token);
  expect(JSON.parse((await command('whoami', '--json')).stdout)).toMatchObject({ credential: { kind: 'user' } });
  expect((await command('nodes', 'list')).code).toBe(0);
});

test('what was kept before is replaced, and nobody can read it', async () => {
  const { profile } = home();
  mkdirSync(join(profile, '..'), { recursive: true });
  writeFileSync(profile, 'garbled', { mode: 0o644 });
  standardInput(password);
  expect((await login('--json')).code).toBe(0);
  expect(statSync(profile).mode & 0o777).toBe(0o600);
});

test('--json tells who, and no token', async () => {
  const { profile } = home();
  standardInput(`${password}\r\n`);
  const { stdout } = await login('--json');
  expect(JSON.parse(stdout)).toMatchObject({ url: broker().url, user: { email }, expires_at: expect.any(String) });
  expect(stdout).not.toContain(JSON.parse(readFileSync(profile, 'utf8')).token);
});

test.each([
  ['a wrong password', 'wrong and wrong again\n', 1, 'GPUB_UNAUTHENTICATED'],
  ['no password', '', 2, 'no password was given on standard input'],
  ['an empty password', '\n', 2, 'no password was given on standard input'],
])('%s keeps nothing', async (_what, given, code, said) => {
  const { profile } = home();
  standardInput(given);
  const outcome = await login();
  expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(said) });
  expect(outcome.stderr).not.toContain('wrong and wrong');
  expect(existsSync(profile)).toBe(false);
});

test('with a key from a file', async () => {
  const { folder, profile } = home();
  const file = join(folder, 'key');
  const { key } = broker().people.developer;
  writeFileSync(file, `${key}\n`);
  const outcome = await command('login', '--broker', `${broker().url}/`, '--api-key-file', file);
  expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('(developer)') });
  expect(outcome.stdout).not.toContain(key);
  expect(JSON.parse(readFileSync(profile, 'utf8'))).toEqual({ url: broker().url, token: key });
  expect((await command('whoami')).stdout).toMatch(/^by +api-key$/m);
  expect((await command('logout')).stdout).toContain('the API key stays good');
  expect(existsSync(profile)).toBe(false);
});

test('a key that is no good, or no key, is not kept', async () => {
  const { folder, profile } = home();
  const file = join(folder, 'key');
  writeFileSync(file, 'gpb_nonsense');
  expect(await command('login', '--broker', broker().url, '--api-key-file', file)).toMatchObject({ code: 1 });
  writeFileSync(file, 'two\nlines');
  const outcome = await command('login', '--broker', broker().url, '--api-key-file', file);
  expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('holds no API key') });
  expect(existsSync(profile)).toBe(false);
});

test('logout ends the session at the broker too', async () => {
  const { profile } = home();
  standardInput(password);
  await login();
  const { token } = JSON.parse(readFileSync(profile, 'utf8'));
  expect(await command('logout')).toEqual({ code: 0, stdout: 'Signed out.\n', stderr: '' });
  expect(existsSync(profile)).toBe(false);
  const reply = await fetch(`${broker().url}/api/v2/auth/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(reply.status).toBe(401);
  expect(await command('logout')).toMatchObject({ code: 0, stdout: 'Nobody was signed in.\n' });
});

test('logout without the broker says that the session lasts', async () => {
  const { profile } = home();
  standardInput(password);
  await login();
  const kept = JSON.parse(readFileSync(profile, 'utf8'));
  writeFileSync(profile, JSON.stringify({ ...kept, url: 'http://127.0.0.1:1' }));
  const outcome = await command('logout');
  expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('lasts until it expires') });
  expect(existsSync(profile)).toBe(false);
});

test('a password of one’s own is changed with two lines of standard input', async () => {
  home();
  standardInput(password);
  await login();
  const wanted = 'another horse, another staple';
  standardInput(`${password}\nshort\n`);
  expect(await command('password')).toMatchObject({ code: 2, stderr: expect.stringContaining('12 characters') });
  standardInput(`not ${password}\n${wanted}\n`);
  expect((await command('password')).code).toBe(1);
  standardInput(`${password}\n${wanted}\n`);
  expect(await command('password')).toMatchObject({ code: 0, stdout: expect.stringContaining('Changed') });
  standardInput(wanted);
  expect((await login()).code).toBe(0);
  standardInput(`${wanted}\n${password}\n`);
  expect((await command('password')).code).toBe(0);
});
