// `gpubroker journal …` and `gpubroker ledger …` on the database of a market.
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { startTestMarket } from '../fixtures/market.ts';
import { command } from './command.ts';

/** A market with a seller, a buyer and a trade; and the commands on its database. */
async function market() {
  const started = await startTestMarket();
  const { database, addNode, addAccount, place } = started;
  await addNode({ price: 1_000_000 });
  const accountId = await addAccount();
  await place({ accountId, quantity: 2 });
  return { ...started, on: (...argv: string[]) => command(...argv, '--database-url', database.url) };
}

test('a sound journal and ledger', async () => {
  const { on, pipeline } = await market();
  const { seq } = pipeline;
  const verified = await on('journal', 'verify');
  expect(verified).toMatchObject({ code: 0, stderr: '' });
  expect(verified.stdout).toMatch(
    new RegExp(`^The journal is sound: ${seq} commands after 0, .*\nIt ends at ${seq} with [0-9a-f]{64};`),
  );
  expect(JSON.parse((await on('journal', 'verify', '--json')).stdout)).toMatchObject({ sound: true, rows: seq, seq });
  const replayed = await on('journal', 'replay');
  expect(replayed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/equal to 0 snapshots, 0 answers, the tables\.\n$/),
  });
  expect(JSON.parse((await on('journal', 'replay', '--until', '2', '--json')).stdout)).toMatchObject({
    equal: true,
    seq: 2,
    tablesHash: null,
  });
  const ledger = await on('ledger', 'verify');
  expect(ledger).toMatchObject({ code: 0, stderr: expect.stringContaining('checking that debits equal credits') });
  expect(ledger.stdout).toContain(
    'In $1000000.00, out $0.00; free $999997.00, held $3.00; paid $0.00.\nThe ledger is sound.',
  );
  const { checks, ...report } = JSON.parse((await on('ledger', 'verify', '--json')).stdout);
  expect(report).toMatchObject({ sound: true, totals: { escrow: '3000000' } });
  expect(checks.every(({ wrong }: { wrong: number }) => wrong === 0)).toBe(true);
});

test('a snapshot is taken once for each state, listed, and begun with', async () => {
  const { on, pipeline } = await market();
  expect((await on('journal', 'snapshot')).stdout).toMatch(new RegExp(`^Snapshot at ${pipeline.seq}: `));
  expect((await on('journal', 'snapshot')).stdout).toBe(`The snapshot at ${pipeline.seq} is up to date.\n`);
  expect((await on('journal', 'snapshots')).stdout).toMatch(
    new RegExp(`^COMMAND +AT +STORED +STATE\n${pipeline.seq} +20`),
  );
  const { snapshots } = JSON.parse((await on('journal', 'snapshots', '--json')).stdout);
  expect(snapshots).toMatchObject([{ seq: pipeline.seq, stateHash: expect.stringMatching(/^[0-9a-f]{32}$/) }]);
  const replayed = await on('journal', 'replay', '--from', 'newest', '--json');
  expect(JSON.parse(replayed.stdout)).toMatchObject({ equal: true, after: pipeline.seq, commands: 0 });
});

test('what is wrong is said, and the exit code is 1', async () => {
  const { on, database } = await market();
  await sql`update market_journal set at = at - 1 where seq = 2`.execute(database.db);
  const journal = await on('journal', 'verify');
  expect(journal).toMatchObject({ code: 1, stdout: expect.stringContaining('BROKEN') });
  expect(journal.stdout).toContain('  row 2 is not what was written\n');
  await sql`update ledger_accounts set balance = balance + 1 where kind = 'available'`.execute(database.db);
  const replay = await on('journal', 'replay');
  expect(replay).toMatchObject({ code: 1, stdout: expect.stringContaining('NOT EQUAL') });
  const ledger = await on('ledger', 'verify');
  expect(ledger).toMatchObject({ code: 1, stdout: expect.stringContaining('The ledger is BROKEN.') });
});

test.each([
  ['a place that is none', ['journal', 'replay', '--from', 'somewhere']],
  ['an end that is none', ['journal', 'replay', '--until', '-1']],
])('%s is wrong usage', async (_what, argv) => {
  expect((await command(...argv)).code).toBe(2);
});
