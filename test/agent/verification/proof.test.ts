// The proof on an OpenCL device: the same bits as the definition, and accepted by the verifier.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect } from 'vitest';
import type { ComputeDevice } from '../../../src/agent/verification/compute.ts';
import { listOpenClDevices } from '../../../src/agent/verification/opencl/device.ts';
import { Prover } from '../../../src/agent/verification/proof.ts';
import { EpochCheck } from '../../../src/proof/epoch-check.ts';
import { drawPlaces } from '../../../src/proof/places.ts';
import { verify } from '../../../src/proof/verify.ts';
import { testWith } from '../../capabilities.ts';
import { vectors } from '../../proof/vectors.ts';

const source = readFileSync(new URL('../../../src/agent/verification/kernels/proof.cl', import.meta.url), 'utf8');
const random = () => randomBytes(4).readUInt32LE();
const test = testWith('opencl');
let device: ComputeDevice | undefined;
beforeAll(() => {
  device = listOpenClDevices()[0]?.open({ proof: source });
});
afterAll(() => device?.close());

test.each(vectors)('the root of size $challenge.size', { timeout: 60_000 }, ({ challenge, root }) => {
  const prover = new Prover(device as ComputeDevice, challenge);
  expect(prover.prove(challenge).toString('hex')).toBe(root);
  prover.free();
});

test('what is opened is accepted', { timeout: 60_000 }, () => {
  const challenge = {
    id: 'a',
    gpu: 'GPU-a',
    epochSeed: randomBytes(32),
    seed: randomBytes(32),
    size: 256,
    rounds: 3,
  };
  const prover = new Prover(device as ComputeDevice, challenge);
  const root = prover.prove(challenge);
  const places = drawPlaces(challenge, 48, random);
  const openings = prover.open(places);
  prover.free();
  const check = EpochCheck.make(challenge.epochSeed, 256, random);
  expect(verify({ challenge, root, places, openings }, check)).toEqual({ accepted: true });
});
