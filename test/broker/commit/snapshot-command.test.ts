// The daily snapshot, taken by a process of its own on the database of a market that goes on.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runSnapshotCommand } from '../../../src/broker/commit/snapshot-command.ts';
import { snapshotHeads } from '../../../src/broker/commit/snapshot-store.ts';
import { hashOf, startTestMarket } from '../../fixtures/market.ts';

const program = join(import.meta.dirname, '../../../src/cli/main.ts');
const never = new AbortController().signal;

// Two processes are started for it, each of which reads the whole program.
test('it is taken, and what goes wrong is said', async () => {
  const { database, pipeline, addAccount } = await startTestMarket();
  await addAccount();
  await runSnapshotCommand(database.url, never, program);
  const [head] = await snapshotHeads(database.db);
  expect(head).toMatchObject({
    seq: pipeline.seq,
    stateHash: await hashOf(pipeline),
  });
  const missing = database.url.replace(/\/test_\w+/, '/not_there');
  await expect(runSnapshotCommand(missing, never, program)).rejects.toThrow(/snapshot of the market failed: .*GPUB_/);
}, 120_000);
