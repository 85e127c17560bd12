// `gpubroker audit`: who did what; a log that was changed is found, and ends the command with 1.
import { expect, test } from 'vitest';
import { appendAudit } from '../../../src/broker/identity/audit.ts';
import { type ServedBroker, testBroker } from './broker.ts';

async function record({ database: { db } }: ServedBroker, count: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (let i = 1; i <= count; i++) {
      const target = { kind: 'node', id: `node-${i}` };
      const action = i % 2 === 0 ? 'node.cordon' : 'node.drain';
      await appendAudit(trx, new Date(), { actor: { kind: 'system' }, action, target, outcome: 'allowed' });
    }
  });
}

/** As somebody with the rights of the database's owner can. */
async function tamper({ database: { pool } }: ServedBroker, statement: string): Promise<void> {
  await pool.query('alter table audit_log disable trigger user');
  await pool.query(statement);
  await pool.query('alter table audit_log enable trigger user');
}

test('a log as it was written', async () => {
  const broker = await testBroker();
  await record(broker, 1_005);
  const verified = await broker.as('admin', 'audit', 'verify');
  const said = 'The audit log is as it was written: 1005 entries, up to 1005.\n';
  expect(verified).toEqual({ code: 0, stdout: said, stderr: '' });
  expect(await broker.json('admin', 'audit', 'verify')).toMatchObject({
    valid: true,
    entries: 1005,
    end: { seq: 1005 },
  });
});

test('an empty one', async () => {
  const broker = await testBroker();
  expect(await broker.json('admin', 'audit', 'verify')).toMatchObject({ valid: true, entries: 0 });
  expect(await broker.as('admin', 'audit', 'list')).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'Nothing was recorded.\n',
  });
});

test.each([
  ['changed', "update audit_log set action = 'node.delete' where seq = 7", 7],
  ['taken out', 'delete from audit_log where seq = 7', 8],
  ['swapped', 'update audit_log set details = \'{"by": "nobody"}\' where seq = 20', 20],
  ['cut at the end', 'delete from audit_log where seq > 17', 18],
])('an entry was %s', async (_how, statement, seq) => {
  const broker = await testBroker();
  await record(broker, 20);
  await tamper(broker, statement);
  const { code, stdout } = await broker.as('admin', 'audit', 'verify');
  expect(code).toBe(1);
  expect(stdout).toMatch(new RegExp(`^The audit log was changed at entry ${seq}: .+\\.\\n$`));
  const json = await broker.as('admin', 'audit', 'verify', '--json');
  expect([json.code, JSON.parse(json.stdout)]).toEqual([1, expect.objectContaining({ valid: false, seq })]);
});

test('the list, newest first, with its filters', async () => {
  const broker = await testBroker();
  await record(broker, 20);
  const { stdout } = await broker.as('admin', 'audit', 'list', '--limit', '2');
  expect(stdout.split('\n').map((line) => line.replace(/ +/g, ' '))).toEqual([
    'SEQ AT WHO ACTION TARGET OUTCOME',
    expect.stringMatching(/^20 \S+Z system node\.cordon node node-20 allowed$/),
    expect.stringMatching(/^19 \S+Z system node\.drain node node-19 allowed$/),
    '',
  ]);
  const numbers = async (...flags: string[]) => {
    const { items } = await broker.json('admin', 'audit', 'list', ...flags);
    return items.map(({ seq }: { seq: number }) => seq);
  };
  expect(await numbers('--target', 'node-7')).toEqual([7]);
  expect(await numbers('--action', 'node.cordon')).toHaveLength(10);
  expect(await numbers('--outcome', 'refused')).toEqual([]);
  expect(await numbers('--from', '1h')).toHaveLength(20);
  expect(await numbers('--to', '1h')).toEqual([]);
});

test('only who runs the platform may verify', async () => {
  const broker = await testBroker();
  expect(await broker.as('provider', 'audit', 'verify')).toMatchObject({ code: 1, stdout: '' });
});
