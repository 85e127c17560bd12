// P9: what a proof costs the broker, for the challenge that is meant for an H100: one core's time for a proof, and for
// what is prepared once an epoch. The rows are random, for the time does not depend on what stands in them; so the
// parts of a verdict are timed, and not a verdict.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { rowOfA } from '../../src/proof/chain.ts';
import { hashOfRow, pathLengthOf } from '../../src/proof/commitment.ts';
import { EpochCheck } from '../../src/proof/epoch-check.ts';
import { sample } from '../device-api/statistics.ts';

const usage = `node bench/proof/verify.ts [--size N] [--rounds T] [--places K] [--strict]

Measures P9: the broker's time for a proof.

  --size N     rows and columns of the matrices; 16384
  --rounds T   products in a row; 64
  --places K   rows that are opened; 48
  --strict     a missed budget fails the run
`;
const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    size: { type: 'string', default: '16384' },
    rounds: { type: 'string', default: '64' },
    places: { type: 'string', default: '48' },
  },
});
const size = Number(given.size);
const rounds = Number(given.rounds);
const places = Number(given.places);
if (given.help || ![size, rounds, places].every((value) => value > 0)) {
  process.stdout.write(usage);
  process.exit(given.help ? 0 : 2);
}
/** Milliseconds: 1 % of a second, which the GPU works for at least. */
const budget = 10;
const gpus = 1_000;

const random = () => randomBytes(4).readUInt32LE();
const epochSeed = randomBytes(32);
const started = process.cpuUsage();
const check = EpochCheck.make(epochSeed, size, random);
const epoch = spent(started);

const challenge = { id: 'bench', gpu: 'GPU-bench', epochSeed, seed: randomBytes(32), size, rounds };
const bytes = randomBytes(size * 4);
const row = new Int32Array(bytes.buffer, bytes.byteOffset, size);
const proofs = Array.from({ length: 31 }, prove).slice(1);
const { median, min, max } = sample(proofs);
const opened = (places * 2 * (size * 4 + pathLengthOf(challenge) * 32)) / 2 ** 20;
const share = epoch / gpus;
process.stdout.write(
  `size ${size}, ${rounds} rounds, ${places} rows opened: ${opened.toFixed(1)} MiB\n` +
    `a proof: ${median.toFixed(1)} ms of one core (${min.toFixed(1)}–${max.toFixed(1)} over ${proofs.length} runs)\n` +
    `an epoch: ${epoch.toFixed(0)} ms once; ${share.toFixed(2)} ms for each of ${gpus} GPUs with one proof an epoch\n` +
    `budget: ${budget} ms a proof: ${median < budget ? 'met' : 'MISSED'}\n`,
);
if (given.strict && median >= budget) process.exitCode = 1;

/** The parts of a verdict, as often as it has them. @returns milliseconds of CPU */
function prove(): number {
  const began = process.cpuUsage();
  for (let place = 0; place < places; place++) {
    hashOfRow(row);
    hashOfRow(row);
    check.holds(rowOfA(challenge, 1, place, row), row);
  }
  return spent(began);
}

function spent(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}
