// HOST:PORT is read strictly, and loopback is recognised in every spelling.
import { expect, test } from 'vitest';
import { formatAddress, isLoopback, parseAddress } from '../../src/daemon/address.ts';

test.each([
  ['127.0.0.1:50051', '127.0.0.1', 50051],
  ['node-1.example:1', 'node-1.example', 1],
  ['[::1]:0', '::1', 0],
])('%s', (text, host, port) => {
  expect(parseAddress(text)).toEqual({ host, port });
  expect(formatAddress({ host, port })).toBe(text);
});

test.each(['', '127.0.0.1', ':50051', '::1:50051', '[1.2.3.4]:5', 'a b:1', 'host:65536', 'host:-1', 'unix:/x'])(
  '%j is no address',
  (text) => {
    expect(parseAddress(text)).toBeUndefined();
  },
);

test.each(['127.0.0.1', '127.9.9.9', 'localhost', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])(
  '%s stays on this machine',
  (host) => {
    expect(isLoopback(host)).toBe(true);
  },
);

test.each(['0.0.0.0', '10.0.0.1', '::', 'example.org', '127.0.0.1.example.org', 'localhost.example.org'])(
  '%s does not',
  (host) => {
    expect(isLoopback(host)).toBe(false);
  },
);
