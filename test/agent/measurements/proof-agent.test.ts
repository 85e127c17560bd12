// The built agent is challenged by its broker: two of its GPUs at once, one of which is sold in the middle.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { testWith } from '../../capabilities.ts';
import { newFolder } from '../../fixtures/cache-server.ts';
import { measuringProcesses, startSimulated } from '../../fixtures/measured-agent.ts';
import { type NodeLinkStandIn, startNodeLinkServer } from '../../fixtures/node-link-server.ts';
import { ProofBroker } from '../../fixtures/node-proofs.ts';
import { prove } from '../../proof/prover.ts';

const test = testWith('opencl');
const patience = { timeout: 60_000, interval: 20 };
let server: NodeLinkStandIn;
let agent: Awaited<ReturnType<typeof startSimulated>>;
beforeEach(async () => {
  server = await startNodeLinkServer();
  const folder = newFolder();
  const token = join(folder, 'token');
  writeFileSync(token, 'a-token');
  const joined = ['--broker-url', server.url, '--broker-ca', server.caPath, '--onboarding-token-file', token];
  agent = await startSimulated('l40s-x4', 2, { folder, flags: joined });
  await vi.waitUntil(() => server.streams.some(({ snapshots }) => snapshots.length > 0), patience);
});
afterEach(async () => {
  await agent.remove();
  server.remove();
});

const newBroker = () =>
  new ProofBroker((challenge) => {
    server.stream().send({ challenge });
    return vi.waitUntil(() => server.results.find(({ id }) => id === challenge.id), patience);
  });

test('it proves what is free, gives up what is sold, and leaves nothing behind', { timeout: 180_000 }, async () => {
  const [first = '', second = '', third = ''] = agent.gpus;
  const silent = await newBroker().prepare([first]);
  expect(silent.refusals).toMatchObject([{ reason: 'held', message: expect.stringContaining('has not said yet') }]);
  server.stream().send({ heldGpus: { gpus: [] } });

  const broker = newBroker();
  const { refusals } = await broker.prepare([first, second, third]);
  expect(refusals).toEqual([{ gpu: third, reason: 'unsupported', message: expect.any(String) }]);
  expect(measuringProcesses(agent)).toHaveLength(2);

  const seed = randomBytes(32);
  const committed = await broker.begin(first, { proof: 'a-proof', seed });
  const challenge = { id: 'a-proof', gpu: first, seed, epochSeed: broker.epochSeed, size: 128, rounds: 2 };
  expect(committed.root).toEqual(prove(challenge).commitment.root);
  // Long enough for a reading.
  await sleep(2_000);
  const { conditions } = await broker.open(first, [{ round: 1, row: 3 }]);
  expect(conditions?.readings).toBeGreaterThan(0);
  expect((await broker.rows(first, 0, 1)).openings).toHaveLength(1);

  server.stream().send({ heldGpus: { gpus: [second] } });
  await vi.waitUntil(() => measuringProcesses(agent).length === 1, patience);
  await expect(broker.begin(second)).rejects.toThrow('held: it is sold');
  await broker.end([first, second]);
  expect(measuringProcesses(agent)).toEqual([]);
});
