// The options that join a node to a broker: what each takes, and what goes together.
import { expect, test } from 'vitest';
import { type AgentOptions, agentOptions } from '../../src/daemon/node-options.ts';
import { resolveOptions } from '../../src/daemon/options.ts';

function resolve(...argv: string[]): AgentOptions {
  return resolveOptions(agentOptions, { argv, environment: {} }).values as AgentOptions;
}

const url = ['--broker-url', 'https://broker:1'];

test('without a broker there is none', () => {
  expect(resolve()).toMatchObject({ brokerUrl: '', onboardingTokenFile: '', spoolSize: 64 * 1024 * 1024 });
});

test.each(['https://broker.example:443', 'https://10.0.0.1:10356/', 'https://[::1]:1'])('%s is a broker', (given) => {
  expect(resolve('--broker-url', given).brokerUrl).toBe(given);
});

test.each([
  'http://broker:1',
  'broker:1',
  'https://broker',
  'https://broker:0',
  'https://broker:1/path',
  'https://u@b:1',
])('%s is none', (given) => {
  expect(() => resolve('--broker-url', given)).toThrow('is not allowed: give https://HOST:PORT');
});

test.each([
  [['--onboarding-token-file', 't'], 'onboarding-token-file is given, but no broker-url'],
  [['--broker-ca', 'c'], 'broker-ca is given, but no broker-url'],
  [['--broker-client-cert', 'c', '--broker-client-key', 'k'], 'broker-client-cert is given, but no broker-url'],
  [[...url, '--broker-client-cert', 'c'], 'only one of broker-client-cert and broker-client-key is given'],
  [[...url, '--broker-client-key', 'k'], 'only one of broker-client-cert and broker-client-key is given'],
])('%j do not go together', (argv, problem) => {
  expect(() => resolve(...argv)).toThrow(problem);
});

test.each([
  ['1MiB', 1024 ** 2],
  ['1500KiB', 1500 * 1024],
  ['2GiB', 2 * 1024 ** 3],
])('a spool of %s', (text, bytes) => {
  expect(resolve(...url, '--spool-size', text).spoolSize).toBe(bytes);
});

test.each(['64', '64MB', '1.5MiB', '1023KiB', '65GiB', '-1MiB'])('no spool of %s', (text) => {
  expect(() => resolve('--spool-size', text)).toThrow('give a size from 1MiB to 64GiB with its unit (KiB, MiB or GiB)');
});
