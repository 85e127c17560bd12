// Both ends of a session at once: the broker's, and a node whose GPUs compute on the first compute device.
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, expect } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import type { ChallengePlan } from '../../../src/broker/verification/challenge-plan.ts';
import { NodeSession } from '../../../src/broker/verification/session.ts';
import { createVerifier } from '../../../src/broker/verification/verifier.ts';
import { Challenge } from '../../../src/wire/gpubroker/node/v1/node_link.ts';
import { testWith } from '../../capabilities.ts';
import { nodeOfDevice } from '../../fixtures/node-proofs.ts';

const test = testWith('opencl');
const verifier = createVerifier({ log: pino({ level: 'silent' }), random: Math.random });
afterAll(() => verifier.close());
const plan: ChallengePlan = { size: 128, rounds: 3, places: 48, expectedMs: 0, slowestMs: 60_000, fastestMs: 0 };

test('GPUs of two models pass, and one that is sold is not challenged', { timeout: 120_000 }, async () => {
  const { gpus, proofs } = nodeOfDevice();
  gpus.refuse('gpu-c', 'held', 'it is sold');
  const asked = (name: string, own: ChallengePlan) => ({ gpuId: `id of ${name}`, name, product: 'X', plan: own });
  const all = [asked('gpu-a', plan), asked('gpu-b', { ...plan, size: 256 }), asked('gpu-c', plan)];
  const session = new NodeSession('node', all, {
    verifier,
    ask: async (_, work, deadline) => {
      const given = { ...work, gpus: [...work.gpus], payload: Buffer.from(work.payload), deadline };
      return { id: '', ...(await proofs.answer(Challenge.fromPartial(given))) };
    },
    clock: () => performance.now(),
    now: () => new Date(),
    newId: () => newId(),
    randomBytes,
    random: () => randomBytes(4).readUInt32LE(),
  });
  await session.prepare();
  const ends = await session.run();
  expect(ends.map(({ gpu, state, reason }) => [gpu.name, state, reason])).toEqual([
    ['gpu-a', 'passed', undefined],
    ['gpu-c', 'not-now', 'held'],
    ['gpu-b', 'passed', undefined],
  ]);
  expect(gpus.taken.size).toBe(0);
});
