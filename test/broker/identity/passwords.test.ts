// Passwords: hashes that tell nothing, checks that cost the same, and a bound on how many run.
import { expect, test } from 'vitest';
import { Passwords } from '../../../src/broker/identity/passwords.ts';

const cheap = { log2N: 10, r: 8, p: 1 };

test('a password is good for its own hash alone', async () => {
  const passwords = new Passwords(cheap);
  const hash = await passwords.hash('correct horse');
  expect(hash).toMatch(/^\$scrypt\$ln=10,r=8,p=1\$/);
  expect(await passwords.check('correct horse', hash)).toEqual({ good: true, rehash: false });
  expect(await passwords.check('correct horsf', hash)).toEqual({ good: false, rehash: false });
  expect(await passwords.check('correct horse', await passwords.hash('another'))).toMatchObject({ good: false });
  expect(await passwords.hash('correct horse')).not.toBe(hash);
});

test('no hash is no password, and is checked all the same', async () => {
  expect(await new Passwords(cheap).check('anything', null)).toEqual({ good: false, rehash: false });
});

test('a hash of another cost is good, and is to be made anew', async () => {
  const hash = await new Passwords(cheap).hash('correct horse');
  expect(await new Passwords({ ...cheap, log2N: 11 }).check('correct horse', hash)).toEqual({
    good: true,
    rehash: true,
  });
});

test('the usual cost is the recommended one', async () => {
  const hash = await new Passwords().hash('correct horse');
  expect(hash).toMatch(/^\$scrypt\$ln=17,r=8,p=1\$/);
});

test('too many at once are refused, the others are served', async () => {
  const passwords = new Passwords({ log2N: 12, r: 8, p: 1 });
  const results = await Promise.allSettled(Array.from({ length: 40 }, () => passwords.hash('x')));
  const refused = results.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(40 - 2 - 32);
  expect(refused[0]).toMatchObject({ reason: { kind: 'unavailable', details: { retryAfter: 5 } } });
  await expect(passwords.hash('x')).resolves.toContain('$scrypt$');
});
