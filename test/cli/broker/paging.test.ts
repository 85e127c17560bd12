// Lists over several pages, and where --limit ends them.
import { expect, test } from 'vitest';
import { addSupply } from '../../fixtures/broker-supply.ts';
import { sharedBroker } from './broker.ts';

const count = 1_203;
const broker = sharedBroker(async ({ database, people }) => {
  await addSupply(database.db, { accountId: people.provider.accountId, nodes: count });
});

test.each([
  [['gpus', 'search'], 1200],
  [['gpus', 'search'], 3],
  [['nodes', 'list'], 1200],
])('%j ends at its limit and says that there is more', async (words, limit) => {
  const { code, stdout, stderr } = await broker().as('provider', ...words, '--limit', String(limit), '--json');
  const { items } = JSON.parse(stdout);
  expect([code, items.length]).toEqual([0, limit]);
  expect(new Set(items.map(({ id }: { id: string }) => id)).size).toBe(limit);
  expect(stderr).toBe(`There are more than ${limit}; --limit shows more, the filters less.\n`);
});

test.each([
  ['gpus', 'search'],
  ['nodes', 'list'],
])('%s %s shows all of three pages, and nothing twice', async (...words) => {
  for (const limit of [count, 9_999_999]) {
    const { stdout, stderr } = await broker().as('provider', ...words, '--limit', String(limit), '--json');
    const ids = JSON.parse(stdout).items.map(({ id }: { id: string }) => id);
    expect([ids.length, new Set(ids).size, stderr]).toEqual([count, count, '']);
  }
});

test('the table has a line for each, a hundred unless told otherwise', async () => {
  const { stdout, stderr } = await broker().as('provider', 'nodes', 'list');
  expect(stdout.trimEnd().split('\n')).toHaveLength(101);
  expect(stderr).toContain('There are more than 100');
});
