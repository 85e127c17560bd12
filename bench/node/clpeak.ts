// Our fp32 and memory-bandwidth beside clpeak's (Debian's package clpeak) on the first OpenCL device, by turns.
//
//   node bench/node/clpeak.ts [--rounds 5]
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { listOpenClDevices } from '../../src/agent/verification/opencl/device.ts';
import { medianOf } from '../../src/score/figures.ts';
import { peerTests, type Round, takeRound } from './clpeak-rounds.ts';

const { values: given } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(given.rounds);
const say = (line: string) => process.stdout.write(`${line}\n`);

say(`${listOpenClDevices()[0]?.info.name}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)} before the run`);
say(`Node ${process.version}, ${rounds} rounds by turns\n`);
say('| figure | ours | clpeak’s | of the medians | of the rounds |');
say('|---|---|---|---|---|');
for (const test of peerTests) {
  const taken: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    taken.push(...(await takeRound(test)));
    process.stderr.write(`${test}, round ${round} of ${rounds}, load ${loadavg()[0]?.toFixed(1)}\n`);
  }
  for (const name of new Set(taken.map((round) => round.name))) report(taken.filter((round) => round.name === name));
}

function report(taken: readonly Round[]): void {
  const [{ name, unit, line }] = taken as [Round];
  const [ours, theirs] = [medianOf(taken.map((round) => round.ours)), medianOf(taken.map((round) => round.theirs))];
  const ratios = taken.map((round) => round.ours / round.theirs);
  const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
  const [shown, peer] = [`${ours.toFixed(1)} ${unit}`, `${theirs.toFixed(1)} ${unit} (${line})`];
  say(`| ${name} | ${shown} | ${peer} | ${(ours / theirs).toFixed(2)} | ${spread} |`);
}
