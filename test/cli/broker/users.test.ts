// `gpubroker users`, `accounts` and `keys`: from the broker's own admin to somebody who can sign in.
import { expect, test } from 'vitest';
import { passwordLength } from '../../../src/api/identity.ts';
import { shortestPassword } from '../../../src/cli/broker/password.ts';
import { command } from '../command.ts';
import { emptyHome, sharedBroker, standardInput } from './broker.ts';

const broker = sharedBroker();
const password = 'correct horse battery staple';
const create = (...more: string[]) => broker().as('admin', 'users', 'create', ...more);

test('a first user with a new account, who signs in, is changed, disabled and enabled', async () => {
  emptyHome();
  const { as, json, url } = broker();
  standardInput(`${password}\n`);
  const made = await create('ada@example.org', '--role', 'provider', '--account', 'Northern GPUs');
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toMatch(/^Made ada@example\.org \(provider\) in the account Northern GPUs, which is new: \S+\n$/);
  const [, id = ''] = /new: (\S+)/.exec(made.stdout) ?? [];
  standardInput(password);
  expect(await command('login', '--broker', url, '--email', 'ada@example.org')).toMatchObject({ code: 0 });

  const second = await create('bob@example.org', '--role', 'developer', '--account', 'Northern GPUs', '--no-password');
  expect(second.stdout).toMatch(/^Made bob@example\.org \(developer\) in the account Northern GPUs: /);
  const { account_id } = await json('admin', 'users', 'get', id);
  expect((await json('admin', 'users', 'list', '--account', account_id)).items).toHaveLength(2);
  expect((await as('admin', 'users', 'list')).stdout).toMatch(
    /ada@example\.org +ada@example\.org +provider +password /,
  );
  expect((await as('admin', 'users', 'change', id, '--role', 'consumer')).stdout).toBe(
    'Changed ada@example.org: consumer.\n',
  );
  standardInput('another password, as long\n');
  expect((await as('admin', 'users', 'reset-password', id)).code).toBe(0);
  expect((await command('whoami')).code).toBe(1);
  expect((await as('admin', 'users', 'disable', id)).stdout).toMatch(/^ada@example\.org is disabled/);
  expect((await as('admin', 'users', 'list')).stdout).toContain('disabled');
  expect((await as('admin', 'users', 'enable', id)).stdout).toBe('Changed ada@example.org: consumer.\n');
});

test.each([
  ['a short password', 'short', 2, 'at least 12 characters'],
  ['no password', '', 2, 'no password was given'],
])('%s: nothing is made', async (_what, given, code, said) => {
  standardInput(given);
  const outcome = await create('eve@example.org', '--role', 'provider', '--account', 'Eve');
  expect(outcome).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(said) });
  const { items } = await broker().json('admin', 'accounts', 'list');
  expect(items.map(({ name }: { name: string }) => name)).not.toContain('Eve');
});

test('an address that is taken, and a name that several accounts have', async () => {
  const { as } = broker();
  const twice = ['cid@example.org', '--role', 'provider', '--account', 'Cid', '--no-password'];
  expect((await create(...twice)).code).toBe(0);
  expect(await create(...twice)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('(body.email) [GPUB_CONFLICT]'),
  });
  await as('admin', 'accounts', 'create', 'Cid');
  const several = await create('dan@example.org', '--role', 'provider', '--account', 'Cid', '--no-password');
  expect(several).toMatchObject({ code: 2, stderr: expect.stringContaining('several accounts are named Cid') });
});

test('accounts are made, listed and renamed', async () => {
  const { as, json } = broker();
  const { id } = await json('admin', 'accounts', 'create', 'East');
  expect((await as('admin', 'accounts', 'rename', id, 'West')).stdout).toBe('The account is named West now.\n');
  expect((await as('admin', 'accounts', 'list')).stdout).toMatch(new RegExp(`^${id} +West +\\d+s ago$`, 'm'));
  expect(await as('provider', 'accounts', 'list')).toMatchObject({ code: 1, stdout: '' });
});

test('a key is printed alone, listed without itself, and revoked', async () => {
  const { as } = broker();
  const { stdout } = await as(
    'provider',
    'keys',
    'create',
    'ci',
    '--scopes',
    'read',
    'telemetry',
    '--lifetime',
    '720h',
  );
  expect(stdout).toMatch(/^\S+\n$/);
  const key = stdout.trim();
  const list = await as('provider', 'keys', 'list');
  expect(list.stdout).toMatch(/^\S+ +ci +read,telemetry +good +-$/m);
  expect(list.stdout).not.toContain(key);
  const [, id = ''] = /^(\S+) +ci /m.exec(list.stdout) ?? [];
  const holder = { ...broker().people.provider, key };
  expect((await as(holder, 'whoami')).code).toBe(0);
  expect((await as('provider', 'keys', 'revoke', id)).stdout).toBe(`Revoked key ${id}.\n`);
  expect((await as(holder, 'whoami')).code).toBe(1);
});

test('the shortest password is that of the API', () => {
  expect(shortestPassword).toBe(passwordLength.min);
});
