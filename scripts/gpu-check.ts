// Runs the CUDA kernels on the GPUs of this machine and prints a report: whether proofs come to the bits of their
// definition, how long they take, and every benchmark. For whoever has a GPU: what it prints is a measurement file.
import { createHash, randomBytes } from 'node:crypto';
import { plans, runBenchmarks } from '../src/agent/verification/benchmarks.ts';
import { ComputeError } from '../src/agent/verification/compute.ts';
import { type Listing, listComputeDevices } from '../src/agent/verification/listing.ts';
import { Prover } from '../src/agent/verification/proof.ts';
import { planAt, writtenPlan } from '../src/broker/verification/challenge-plan.ts';
import type { Challenge } from '../src/proof/challenge.ts';
import { EpochCheck } from '../src/proof/epoch-check.ts';
import { drawPlaces } from '../src/proof/places.ts';
import { verify } from '../src/proof/verify.ts';
import { vectors } from '../test/proof/vectors.ts';

/** What is proven beyond the vectors, as far as memory goes: size and rounds. */
const works = [
  [2_048, 8],
  [4_096, 16],
  [8_192, 32],
  [16_384, 16],
  [16_384, 64],
] as const;
const places = 48;
const random = () => randomBytes(4).readUInt32LE();
const say = (line = '') => process.stdout.write(`${line}\n`);

say('# The CUDA kernels on hardware\n\n`make gpu-check`\n');
const gpus = listComputeDevices().filter(({ info }) => !info.isCpu);
if (gpus.length === 0) say('There is no GPU here.');
for (const gpu of gpus) check(gpu);

function check({ info, open }: Listing): void {
  say(`## ${info.name}\n`);
  say(`${info.backend}, ${info.driverVersion}, ${info.units} units, ${(info.memoryBytes / 2 ** 30).toFixed(1)} GiB\n`);
  say('| proof | device | verdict | |\n|---|---|---|---|');
  for (const { challenge, root } of vectors) {
    attempt(`size ${challenge.size}, ${challenge.rounds} rounds, vector`, open, (device) => {
      const found = new Prover(device, challenge).prove(challenge).toString('hex');
      return ['', '', found === root ? 'the bits of the definition' : `WRONG: ${found}`];
    });
  }
  let plan: ReturnType<typeof writtenPlan> | undefined;
  for (const [size, rounds] of works) {
    attempt(`size ${size}, ${rounds} rounds`, open, (device) => {
      const [challenge, epochSeed] = newChallenge(size, rounds);
      const prover = new Prover(device, challenge);
      const started = performance.now();
      const root = prover.prove(challenge);
      const worked = performance.now() - started;
      const drawn = drawPlaces(challenge, places, random);
      const openings = prover.open(drawn);
      const epoch = EpochCheck.make(epochSeed, size, random);
      const began = performance.now();
      const verdict = verify({ challenge, root, places: drawn, openings }, epoch);
      const judged = performance.now() - began;
      // No card of the model is twice as fast.
      plan = writtenPlan(planAt(size, worked / rounds, worked / rounds / 2));
      const told = verdict.accepted ? 'accepted' : `REFUSED: ${verdict.message}`;
      return [`${worked.toFixed(1)} ms`, `${judged.toFixed(1)} ms`, told];
    });
  }
  if (plan) say(`\nAs a plan for the broker's --challenge-plans: \`${JSON.stringify(plan)}\``);
  say('\n| benchmark | median | least | most |\n|---|---|---|---|');
  const device = open();
  for (const result of runBenchmarks(device, plans.normal)) {
    if ('why' in result) say(`| ${result.benchmark} | ${result.why}: ${result.message} | | |`);
    else {
      const [least, most] = [Math.min(...result.samples), Math.max(...result.samples)];
      const figures = [result.median, least, most].map((one) => one.toPrecision(4));
      say(`| ${result.benchmark} | ${figures[0]} ${result.unit} | ${figures[1]} | ${figures[2]} |`);
    }
  }
  device.close();
  say();
}

function attempt(name: string, open: Listing['open'], work: (device: ReturnType<Listing['open']>) => string[]): void {
  const device = open();
  try {
    say(`| ${name} | ${work(device).join(' | ')} |`);
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    say(`| ${name} | | | ${error.fault}: ${error.message} |`);
  } finally {
    device.close();
  }
}

function newChallenge(size: number, rounds: number): [Challenge, Uint8Array] {
  const epochSeed = createHash('sha256').update('gpu-check').digest();
  return [{ id: `check-${size}`, gpu: 'GPU-check', epochSeed, seed: randomBytes(32), size, rounds }, epochSeed];
}
