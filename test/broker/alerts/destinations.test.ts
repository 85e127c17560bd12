// Webhooks lead to public addresses only, whatever a name resolves to.
import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { checkUrl, guardedLookup, isPublic } from '../../../src/broker/alerts/channels/destinations.ts';

const strict = { insecure: false, private: false };

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  'fe80::1',
  'fc00::1',
  'fd12::1',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:db8::1',
  '2001::1',
])('%s is not public', (address) => {
  expect(isPublic(address)).toBe(false);
});

test.each(['8.8.8.8', '172.32.0.1', '1.1.1.1', '2606:4700::1111', '2a00:1450::1'])('%s is public', (address) => {
  expect(isPublic(address)).toBe(true);
});

test.each([
  ['http://example.com/', 'an HTTPS URL'],
  ['ftp://example.com/', 'an HTTPS URL'],
  ['https://user:pass@example.com/', 'without user name'],
  ['https://127.0.0.1/', 'public address'],
  ['https://2130706433/', 'public address'],
  ['https://0x7f.1/', 'public address'],
  ['https://[::1]/', 'public address'],
  ['https://[::ffff:10.0.0.1]/', 'public address'],
])('%s is refused', (url, why) => {
  expect(() => checkUrl(url, strict, 'body.url')).toThrow(why);
});

describe('a name', () => {
  const look = (addresses: string[], policy = strict) =>
    new Promise((resolve) => {
      const found: LookupAddress[] = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      const lookup = guardedLookup(policy, (_host, _options, done) => done(null, found));
      lookup('example.com', { all: true }, (error, answer) => resolve(error ? error.message : answer));
    });

  test('with public addresses is connected to at these', async () => {
    expect(await look(['8.8.8.8'])).toEqual([{ address: '8.8.8.8', family: 4 }]);
  });

  test('of which one address is private is refused', async () => {
    expect(await look(['8.8.8.8', '127.0.0.1'])).toBe('example.com does not lead to a public address');
    expect(await look(['8.8.8.8', '127.0.0.1'], { insecure: false, private: true })).toHaveLength(2);
  });
});
