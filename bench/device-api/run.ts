// Benchmark of the node-local device API against an ordinary Go server of the same service (see bench/README.md).
import { parseArgs } from 'node:util';
import { agent, buildProduct, builtProgram, type Candidate, cacheServer, peer } from './candidates.ts';
import { type Findings, isMet } from './figures.ts';
import { describeMachine } from './machine.ts';
import { measureCalls } from './p1-calls.ts';
import { measureWatchers } from './p2-watchers.ts';
import { measureDaemon } from './p3-daemon.ts';
import { buildPeer } from './peer.ts';
import { progress } from './progress.ts';
import { printReport, writeJson } from './report.ts';
import { requireTools } from './tools.ts';

const help = `Measures the device API of the node daemon against an ordinary Go gRPC server, in the same run.

Usage: node bench/device-api/run.ts [options]

  --only p1|p2|p3   only this part: p1 calls, p2 watchers, p3 memory, idle CPU and start (may be repeated)
  --quick           fewer rounds and calls: a look, not a measurement
  --json FILE       also write the figures to this file
  --strict          exit 1 when a budget is missed
  --gpubroker FILE  measure this gpubroker command instead of building bin/gpubroker
  --peer-twice      put the peer in the product's place too: every ratio should be near 1, the rest is this machine's noise
  --help            show this

Example: node bench/device-api/run.ts --only p1 --quick --json figures.json
`;

const full = {
  calls: { rounds: 5, callsPerRound: 50_000, timedCalls: 5_000 },
  watchers: { rounds: 3, watchers: 1_000, connections: 20, rate: 20, seconds: 10, stalledRounds: 3 },
  daemon: { calls: 1_000_000, idleSeconds: 60, starts: 5 },
};

const quick = {
  calls: { rounds: 2, callsPerRound: 10_000, timedCalls: 1_000 },
  watchers: { rounds: 1, watchers: 1_000, connections: 20, rate: 20, seconds: 3, stalledRounds: 1 },
  daemon: { calls: 50_000, idleSeconds: 10, starts: 3 },
};

const twin: Candidate = { ...peer, label: 'peer as ours' };
const product = (program: string): [Candidate, Candidate] => [cacheServer(program), agent(program)];

const parts = ['p1', 'p2', 'p3'];

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      strict: { type: 'boolean', default: false },
      gpubroker: { type: 'string' },
      'peer-twice': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (options.help) {
    process.stdout.write(help);
    return;
  }
  const only = options.only ?? parts;
  const unknown = only.find((part) => !parts.includes(part));
  if (unknown !== undefined) throw new Error(`--only takes p1, p2 or p3, not ${unknown}`);
  requireTools();
  await build(options['peer-twice'] || options.gpubroker !== undefined);
  const [server, daemon] = options['peer-twice'] ? [twin, twin] : product(options.gpubroker ?? builtProgram);
  const findings = await measure(only, options.quick ? quick : full, server, daemon);
  const machine = await describeMachine();
  printReport(machine, findings);
  if (options.json !== undefined) writeJson(options.json, machine, findings);
  if (options.strict && findings.figures.some((figure) => isMet(figure) === false)) process.exitCode = 1;
}

async function build(onlyPeer: boolean): Promise<void> {
  progress('building the Go peer and watchers');
  await buildPeer();
  if (onlyPeer) return;
  progress('building the product');
  await buildProduct();
}

async function measure(only: string[], plan: typeof full, server: Candidate, daemon: Candidate): Promise<Findings> {
  const found: Findings[] = [];
  if (only.includes('p1')) found.push(await measureCalls(server, peer, plan.calls));
  if (only.includes('p2')) found.push(await measureWatchers(server, peer, plan.watchers));
  if (only.includes('p3')) found.push(await measureDaemon(daemon, peer, plan.daemon));
  return { figures: found.flatMap((part) => part.figures), notes: found.flatMap((part) => part.notes) };
}

main().catch((error: Error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
});
