// Which broker a command talks to, and as whom: flags, environment, login, the broker of this machine.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { findBroker } from '../../../src/cli/broker/connection.ts';
import { writeProfile } from '../../../src/cli/broker/profile.ts';
import { command } from '../command.ts';
import { emptyHome, leaveEndpoints, sharedBroker } from './broker.ts';

const timeout = 1_000;
const broker = sharedBroker();

test('flags, then environment, then login, then the broker of this machine', async () => {
  const home = emptyHome();
  const { url, people } = broker();
  const who = async (...flags: string[]) => {
    const { code, stdout, stderr } = await command('whoami', '--json', ...flags);
    return code === 0 ? JSON.parse(stdout).user.role : stderr;
  };
  expect(await who()).toContain('GPUB_NOT_SIGNED_IN');
  leaveEndpoints(home, { url, key: people.admin.key });
  expect(await who()).toBe('admin');
  writeProfile({ url, token: people.provider.key });
  expect(await who()).toBe('provider');
  vi.stubEnv('GPUBROKER_API_KEY', people.consumer.key);
  expect(await who()).toBe('consumer');
  const file = join(home, 'key');
  writeFileSync(file, people.developer.key);
  expect(await who('--api-key-file', file)).toBe('developer');
  vi.stubEnv('GPUBROKER_API_URL', 'http://127.0.0.1:1');
  expect(await who()).toContain('GPUB_BROKER_UNREACHABLE');
  expect(await who('--broker', url)).toBe('consumer');
});

test('what was kept for one broker is never sent to another', () => {
  const home = emptyHome();
  writeProfile({ url: 'https://one.example', token: 'kept', ca: '/kept.pem' });
  leaveEndpoints(home, { url: 'http://127.0.0.1:10355', key: 'local' });
  expect(findBroker({ timeout })).toMatchObject({ url: 'https://one.example', token: 'kept', ca: '/kept.pem' });
  expect(() => findBroker({ timeout, broker: 'https://two.example' })).toThrow(/not signed in to https:\/\/two/);
  expect(findBroker({ timeout, broker: 'http://127.0.0.1:10355/' })).toMatchObject({ token: 'local' });
  const given = { GPUBROKER_API_KEY: 'given', GPUBROKER_API_URL: 'https://two.example' };
  expect(findBroker({ timeout }, given)).toEqual({ url: 'https://two.example', token: 'given', ca: undefined });
  expect(findBroker({ timeout }, { GPUBROKER_API_KEY: 'given' })).toMatchObject({ url: 'https://one.example' });
});

test('a CA of the flags or the environment is taken before that of the login', () => {
  emptyHome();
  writeProfile({ url: 'https://one.example', token: 'kept', ca: '/kept.pem' });
  const environment = { GPUBROKER_API_CA: '/environment.pem' };
  expect(findBroker({ timeout, ca: '/flag.pem' }, environment).ca).toBe('/flag.pem');
  expect(findBroker({ timeout }, environment).ca).toBe('/environment.pem');
  expect(findBroker({ timeout, ca: 'relative.pem' }).ca).toBe(join(process.cwd(), 'relative.pem'));
});

test('empty variables and garbled files count as none', () => {
  const home = emptyHome();
  const folder = join(home, 'data', 'gpubroker-broker');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'endpoints.json'), '{');
  writeFileSync(join(folder, 'admin-api-key'), 'key');
  const empty = { GPUBROKER_API_URL: '', GPUBROKER_API_KEY: '', GPUBROKER_API_CA: '' };
  expect(() => findBroker({ timeout }, empty)).toThrow(/not signed in to http:\/\/127\.0\.0\.1:10355/);
  expect(() => findBroker({ timeout }, { GPUBROKER_API_URL: 'x' })).toThrow(/\$GPUBROKER_API_URL: x is no URL/);
});
