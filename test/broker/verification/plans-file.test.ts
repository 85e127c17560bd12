// Plans that an operator gives: read whole, or refused with the field that is amiss.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readPlans } from '../../../src/broker/verification/plans-file.ts';

const good = { size: 4096, rounds: 20, places: 48, expected_ms: 900, slowest_ms: 1_400, fastest_ms: 300 };

function read(content: unknown) {
  const folder = mkdtempSync(join(tmpdir(), 'plans-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'plans.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readPlans(path);
}

test('plans by product', () => {
  expect(read({ 'GTX-1080-PCIE-8GB': good })).toEqual(
    new Map([
      ['GTX-1080-PCIE-8GB', { size: 4096, rounds: 20, places: 48, expectedMs: 900, slowestMs: 1_400, fastestMs: 300 }],
    ]),
  );
});

test('no file is no plans', () => {
  expect(readPlans('').size).toBe(0);
});

test.each([
  [{ ...good, size: 4097 }, 'X.size: 4097 is not allowed: a multiple of 128 from 128 to 65536 is'],
  [{ ...good, rounds: '20' }, 'X.rounds: "20" is not allowed: a whole number from 1 to 1024 is'],
  [{ ...good, places: undefined }, 'X.places: nothing is not allowed: a whole number from 1 to 4096 is'],
  [{ ...good, slowest_ms: 300 }, 'X.slowest_ms: 300 is not allowed: more than fastest_ms is'],
  [{ ...good, expected_ms: 0 }, 'X.expected_ms: 0 is not allowed: a whole number from 1 to 3600000 is'],
  [{ ...good, depth: 1 }, 'X.depth: this field is not allowed: size, rounds, places, expected_ms, slowest_ms'],
  [[], 'X: [] is not allowed: an object is'],
])('a field that is amiss: %j', (plan, message) => {
  expect(() => read({ X: plan })).toThrow(message);
  expect(() => read({ X: plan })).toThrow(expect.objectContaining({ code: 'GPUB_CHALLENGE_PLANS_INVALID' }));
});

test.each(['{', '/no/such/file'])('what cannot be read: %s', (content) => {
  const act = content === '{' ? () => read(content) : () => readPlans(content);
  expect(act).toThrow(expect.objectContaining({ code: 'GPUB_CHALLENGE_PLANS_UNREADABLE' }));
});
