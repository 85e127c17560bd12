// The verifier's thread: it keeps its arithmetic off the event loop, dies alone, and is started again.
import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { Page } from '../../../src/broker/verification/judging.ts';
import { createVerifier, type VerifierOptions } from '../../../src/broker/verification/verifier.ts';
import { ProofOpenings } from '../../../src/wire/gpubroker/node/v1/proof.ts';
import { open, prove } from '../../proof/prover.ts';

function verifier(options: Partial<VerifierOptions> = {}) {
  const made = createVerifier({ log: pino({ level: 'silent' }), random: () => 0, ...options });
  onTestFinished(() => made.close());
  return made;
}

/** A page of an honest answer. */
function honestPage(epochSeed: Uint8Array, places = [{ round: 1, row: 5 }]): Page {
  const challenge = { id: 'p', gpu: 'g', epochSeed, seed: randomBytes(32), size: 128, rounds: 2 };
  const proven = prove(challenge);
  const bytes = (values: Int32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const openings = open(proven, places).map(({ product, before }) => ({
    product: { row: bytes(product.row), path: Buffer.concat(product.path) },
    before: before && { row: bytes(before.row), path: Buffer.concat(before.path) },
  }));
  return { challenge, root: proven.commitment.root, places, openings: ProofOpenings.encode({ openings }).finish() };
}

test('judges, and says what it cost', async () => {
  const judging = verifier();
  const page = honestPage(await judging.epochSeed(128));
  const { verdict, seconds } = await judging.judge(page);
  expect(verdict).toEqual({ accepted: true });
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan(1);
  const other = { ...honestPage(page.challenge.epochSeed), root: page.root };
  expect((await judging.judge(other)).verdict).toMatchObject({ accepted: false, reason: 'not-committed' });
});

test('a seed of no epoch is no fault of the GPU', async () => {
  const judging = verifier();
  await judging.epochSeed(128);
  await expect(judging.judge(honestPage(randomBytes(32)))).rejects.toThrow('the epoch of the challenge is over');
});

test('the event loop is free while an epoch is made', { timeout: 60_000 }, async () => {
  const judging = verifier();
  await judging.epochSeed(128);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const began = performance.now();
  await judging.epochSeed(16_384);
  const took = performance.now() - began;
  delay.disable();
  // About a second of arithmetic: had it run here, the loop had stood still for all of it.
  expect(took).toBeGreaterThan(200);
  expect(delay.max / 1e6).toBeLessThan(took / 2);
});

test('a question without an answer ends the thread and all that wait; the next one finds another', async () => {
  const judging = verifier({ deadline: 2_000 });
  const seed = await judging.epochSeed(128);
  const slow = judging.epochSeed(65_536);
  const behind = judging.epochSeed(256);
  await expect(slow).rejects.toThrow('no answer within 2 s');
  await expect(behind).rejects.toThrow('the verifier has ended');
  await sleep(10);
  expect(await judging.epochSeed(128)).not.toEqual(seed);
});

test('a thread that dies is not started again at once', async () => {
  const entry = new URL('data:text/javascript,process.exit(3)');
  const judging = verifier({ entry, random: () => 1 });
  await expect(judging.epochSeed(128)).rejects.toThrow('it ended with code 3');
  await expect(judging.epochSeed(128)).rejects.toThrow('the verifier has ended and starts again soon');
});

test('more questions than it takes are refused', async () => {
  const judging = verifier();
  const asked = Array.from({ length: 65 }, () => judging.epochSeed(128));
  await expect(asked[64]).rejects.toThrow('64 questions');
  expect(new Set((await Promise.all(asked.slice(0, 64))).map((seed) => Buffer.from(seed).toString('hex'))).size).toBe(
    1,
  );
});

test('one that is closed answers nothing', async () => {
  const judging = verifier();
  await judging.epochSeed(128);
  await judging.close();
  await expect(judging.epochSeed(128)).rejects.toThrow('the broker stops');
});
