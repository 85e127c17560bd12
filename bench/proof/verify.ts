// P9: what a proof costs the broker, for the challenge that a product is asked: the processor's time for whole verdicts in
// the verifier's thread, from the bytes of the node link on, and for what is prepared once an epoch.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import pino from 'pino';
import { challengePlans } from '../../src/broker/verification/challenge-plan.ts';
import { rowsOfPage } from '../../src/broker/verification/session.ts';
import { createVerifier } from '../../src/broker/verification/verifier.ts';
import { ConnectRequest } from '../../src/wire/gpubroker/node/v1/node_link.ts';
import { sample } from '../device-api/statistics.ts';
import { honestRows } from './honest-rows.ts';

const usage = `node bench/proof/verify.ts [--product NAME] [--runs N] [--strict]

Measures P9: the broker's time for a proof, as a share of the device's.

  --product NAME   whose plan; H100-SXM5-80GB
  --runs N         verdicts; 31, the first is not counted
  --strict         a missed budget fails the run
`;
const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    product: { type: 'string', default: 'H100-SXM5-80GB' },
    runs: { type: 'string', default: '31' },
  },
});
const plan = challengePlans()(given.product);
const runs = Number(given.runs);
if (given.help || !plan || !(runs > 1)) {
  process.stdout.write(usage);
  process.exit(given.help ? 0 : 2);
}
/** Of the time that the device works. */
const share = 0.01;
const gpus = 1_000;

const verifier = createVerifier({ log: pino(), random: Math.random });
// The thread's start is no part of an epoch.
await verifier.epochSeed(128);
const started = process.cpuUsage();
const epochSeed = await verifier.epochSeed(plan.size);
const epoch = spent(started);

const { size, rounds } = plan;
const challenge = { id: 'bench', gpu: 'gpu-bench', epochSeed, seed: randomBytes(32), size, rounds };
const perMessage = rowsOfPage(challenge);
process.stderr.write(`computing rows of ${size}…\n`);
const { root, places, messages } = honestRows(challenge, plan.places, perMessage);
const bytes = messages.reduce((sum, { length }) => sum + length, 0);

const proofs: number[] = [];
const verdicts: number[] = [];
for (let run = 0; run < runs; run++) {
  const [all, verdict] = await prove();
  if (run === 0) continue;
  proofs.push(all);
  verdicts.push(verdict);
}
await verifier.close();

const { median, min, max } = sample(proofs);
const budget = plan.expectedMs * share;
process.stdout.write(
  `${given.product}: size ${size}, ${rounds} rounds, ${plan.places} rows opened: ${(bytes / 2 ** 20).toFixed(1)} MiB\n` +
    `a proof: ${median.toFixed(1)} ms of processor (${min.toFixed(1)}–${max.toFixed(1)} over ${proofs.length} runs), ` +
    `of it the verdict ${sample(verdicts).median.toFixed(1)} ms in its thread\n` +
    `an epoch: ${epoch.toFixed(0)} ms once; ${(epoch / gpus).toFixed(2)} ms for each of ${gpus} GPUs with one proof an epoch\n` +
    `the device: ${plan.expectedMs} ms as expected, ${plan.fastestMs} ms at its peak\n` +
    `budget: ${budget.toFixed(1)} ms, 1 % of what is expected: ${median < budget ? 'met' : 'MISSED'} ` +
    `(${((100 * (median + epoch / gpus)) / plan.expectedMs).toFixed(2)} % with the share of the epoch)\n`,
);
if (given.strict && median >= budget) process.exitCode = 1;

/** One whole verdict. @returns milliseconds of processor: of this process, and of the verifier's thread */
async function prove(): Promise<readonly [all: number, verdict: number]> {
  // As from a socket: pages are handed over, and gone.
  const arrived = messages.map((message) => Buffer.from(message));
  let seconds = 0;
  const began = process.cpuUsage();
  for (const [page, message] of arrived.entries()) {
    const { challengeResult } = ConnectRequest.decode(message);
    const openings = challengeResult?.payload ?? Buffer.alloc(0);
    const asked = places.slice(page * perMessage, (page + 1) * perMessage);
    const judged = await verifier.judge({ challenge, root, places: asked, openings });
    if (!judged.verdict.accepted) throw new Error(judged.verdict.message);
    seconds += judged.seconds;
  }
  return [spent(began), seconds * 1000];
}

function spent(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}
