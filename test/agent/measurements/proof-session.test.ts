// A session of proofs over a real link, from the first step to the last: every GPU comes to the bits of the definition,
// and the verifier accepts what it opens.
import { randomBytes } from 'node:crypto';
import { afterEach, expect, vi } from 'vitest';
import type { Challenge } from '../../../src/proof/challenge.ts';
import { EpochCheck } from '../../../src/proof/epoch-check.ts';
import { drawPlaces } from '../../../src/proof/places.ts';
import { type OpenedRow, type Opening, verify } from '../../../src/proof/verify.ts';
import type { ProofRow } from '../../../src/wire/gpubroker/node/v1/proof.ts';
import { testWith } from '../../capabilities.ts';
import { removeNodeFolders, startNode } from '../../fixtures/linked-node.ts';
import { startNodeLinkServer } from '../../fixtures/node-link-server.ts';
import { nodeOfDevice, ProofBroker } from '../../fixtures/node-proofs.ts';
import { vectors } from '../../proof/vectors.ts';
import { processesOf } from '../devices/watched-source.ts';

const test = testWith('opencl');
const random = () => randomBytes(4).readUInt32LE();
/** Of waiting for what should happen much sooner. */
const patience = { timeout: 30_000, interval: 10 };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  removeNodeFolders();
});

async function linked() {
  const server = await startNodeLinkServer();
  const node = nodeOfDevice();
  const { proofs } = node;
  const linkedNode = await startNode(server, { onChallenge: (challenge) => proofs.answer(challenge) });
  ends.push(server.remove, linkedNode.stop);
  await vi.waitUntil(() => server.streams.length > 0 && linkedNode.link.state.phase === 'streaming', patience);
  const broker = new ProofBroker((challenge) => {
    server.stream().send({ challenge });
    const answer = () => server.results.find(({ id }) => id === challenge.id);
    return vi.waitUntil(answer, patience);
  });
  return { ...node, broker };
}

function rowOf(row: ProofRow | undefined): OpenedRow {
  const bytes = Uint8Array.from(row?.row ?? []);
  const path = row?.path ?? Buffer.alloc(0);
  const hashes = Array.from({ length: path.length / 32 }, (_, at) => path.subarray(at * 32, at * 32 + 32));
  return { row: new Int32Array(bytes.buffer), path: hashes };
}

/** Opens rows a few at a time, and judges them. */
async function judged(broker: ProofBroker, challenge: Challenge, root: Uint8Array) {
  const places = drawPlaces(challenge, 48, random);
  await broker.open(challenge.gpu, places);
  const openings: Opening[] = [];
  while (openings.length < places.length) {
    const count = Math.min(20, places.length - openings.length);
    const { openings: some } = await broker.rows(challenge.gpu, openings.length, count);
    expect(some).toHaveLength(count);
    for (const { product, before } of some) {
      openings.push({ product: rowOf(product), before: before && rowOf(before) });
    }
  }
  const check = EpochCheck.make(challenge.epochSeed, challenge.size, random);
  return verify({ challenge, root, places, openings }, check);
}

const affordable = vectors.filter(({ challenge }) => challenge.size <= 512);

test.each(affordable)('size $challenge.size', { timeout: 60_000 }, async ({ challenge, root }) => {
  const { broker, gpus } = await linked();
  const { id, gpu, seed, epochSeed, size, rounds } = challenge;
  expect(await broker.prepare([gpu], { epochSeed, size, rounds })).toEqual({ refusals: [] });
  expect([...gpus.taken.keys()]).toEqual([gpu]);
  const committed = await broker.begin(gpu, { proof: id, seed });
  expect(committed.root.toString('hex')).toBe(root);
  expect(committed.deviceMicros).toBeGreaterThan(0n);
  expect(await judged(broker, challenge, committed.root)).toEqual({ accepted: true });
  await broker.end([gpu]);
  expect(gpus.taken.size).toBe(0);
  expect(processesOf('measure.ts')).toEqual([]);
});

test('two GPUs at the same time, each with its own work, and one that is sold', { timeout: 60_000 }, async () => {
  const { broker, gpus } = await linked();
  gpus.refuse('gpu-c', 'held', 'it is sold');
  const { refusals } = await broker.prepare(['gpu-a', 'gpu-b', 'gpu-c']);
  expect(refusals).toEqual([{ gpu: 'gpu-c', reason: 'held', message: 'it is sold' }]);
  expect(processesOf('measure.ts')).toHaveLength(2);
  const challenges = ['gpu-a', 'gpu-b'].map((gpu): Challenge => {
    const { epochSeed } = broker;
    return { id: `proof-${gpu}`, gpu, seed: randomBytes(32), epochSeed, size: 128, rounds: 2 };
  });
  const roots = await Promise.all(challenges.map(({ id, gpu, seed }) => broker.begin(gpu, { proof: id, seed })));
  expect(roots[0]?.root).not.toEqual(roots[1]?.root);
  const verdicts = await Promise.all(
    challenges.map((challenge, index) => judged(broker, challenge, roots[index]?.root ?? Buffer.alloc(0))),
  );
  expect(verdicts).toEqual([{ accepted: true }, { accepted: true }]);
  await expect(broker.begin('gpu-c')).rejects.toThrow('unknown: gpus: "gpu-c" is not in the session');
  await broker.end(['gpu-a', 'gpu-b', 'gpu-c']);
  expect(processesOf('measure.ts')).toEqual([]);
  // And all over again: nothing is left of it.
  expect(await broker.prepare(['gpu-a'])).toEqual({ refusals: [] });
});

test('two sessions, of different sizes, at the same time', { timeout: 60_000 }, async () => {
  const { broker: newBroker, gpus } = nodeOfDevice();
  const [small, large] = [newBroker(), newBroker()];
  await Promise.all([small.prepare(['gpu-a']), large.prepare(['gpu-b'], { size: 256 })]);
  await Promise.all([small.begin('gpu-a'), large.begin('gpu-b')]);
  await small.end(['gpu-a']);
  gpus.conditions = { readings: 3, smMhz: { least: 1_200, greatest: 1_980 }, throttleBits: 4 };
  const { conditions } = await large.open('gpu-b', [{ round: 1, row: 255 }]);
  expect(conditions).toMatchObject(gpus.conditions);
  const { openings } = await large.rows('gpu-b', 0, 1);
  expect(openings[0]?.product?.row).toHaveLength(4 * 256);
});
