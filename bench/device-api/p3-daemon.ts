// P3: what the node daemon costs a node: its working set after a million calls, its CPU when idle, its start.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate } from './candidates.ts';
import type { Figure, Findings } from './figures.ts';
import { drive, methods } from './load.ts';
import { MemoryGroup, residentMemory } from './memory.ts';
import { cpuTime } from './processes.ts';
import { progress } from './progress.ts';
import { Server } from './server.ts';
import { type Sample, sample } from './statistics.ts';
import { holdWatchers } from './watchers.ts';

export interface DaemonPlan {
  calls: number;
  idleSeconds: number;
  starts: number;
}

interface Footprint {
  main: Sample;
  all: Sample;
  idle: Sample;
  notes: string[];
}

const watcherCount = 10;
const settleSeconds = 5;
const memorySamples = 10;
const separationInterval = 2;

export async function measureDaemon(ours: Candidate, peer: Candidate, plan: DaemonPlan): Promise<Findings> {
  const footprint = await measureFootprint(ours, plan);
  const peerFootprint = await measureFootprint(peer, plan);
  const starts = await measureStarts(ours, plan.starts);
  const peerStarts = await measureStarts(peer, plan.starts);
  const after = `after ${plan.calls.toLocaleString('en')} calls`;
  const figures: Figure[] = [
    {
      name: `working set ${after}, API process`,
      unit: 'MiB',
      ours: footprint.main,
      peer: peerFootprint.main,
      limit: 64,
    },
    { name: `working set ${after}, with the probe`, unit: 'MiB', ours: footprint.all, limit: 128 },
    { name: 'idle CPU, API process and probe', unit: 'mCPU', ours: footprint.idle, peer: peerFootprint.idle, limit: 5 },
    { name: 'first served call after start', unit: 'ms', ours: starts.first, peer: peerStarts.first, limit: 500 },
  ].map(({ limit, ...figure }) => ({ row: 'P3', ...figure, budget: { limit } }));
  figures.push({ row: 'P3', name: 'first list with all GPUs after start', unit: 'ms', ours: starts.all });
  return { figures, notes: [...footprint.notes, ...peerFootprint.notes] };
}

async function measureFootprint(candidate: Candidate, plan: DaemonPlan): Promise<Footprint> {
  const main = new MemoryGroup('main');
  const rest = new MemoryGroup('rest');
  const separating = separate(main, rest);
  try {
    return await Server.with(candidate, { group: main }, async (server) => {
      const watchers = await holdWatchers(server.socket, watcherCount);
      await callMany(server, plan.calls);
      await sleep(settleSeconds * 1_000);
      const memory = await sampleMemory(server, main, rest);
      const idle = await measureIdle(server, plan.idleSeconds);
      await watchers.stop();
      return { ...memory, idle, notes: [describe(server, main)] };
    });
  } finally {
    clearInterval(separating);
    await main.remove();
    await rest.remove();
  }
}

// Moves every child out of the main group as soon as it appears, so that the API process is counted alone. What a child
// allocates before that stays with the API process: the error is against us.
function separate(main: MemoryGroup, rest: MemoryGroup): NodeJS.Timeout {
  let first: number | undefined;
  return setInterval(() => {
    const members = main.members();
    // The process that was spawned; its children come later and so have higher numbers.
    first ??= members.length > 0 ? Math.min(...members) : undefined;
    for (const pid of members.filter((member) => member !== first)) {
      try {
        rest.take(pid);
      } catch {
        // It has ended.
      }
    }
  }, separationInterval);
}

async function callMany(server: Server, calls: number): Promise<void> {
  for (const method of methods) {
    progress(`P3 ${(calls / 2).toLocaleString('en')} calls of ${method}: ${server.candidate.label}`);
    await drive(server, { method, calls: calls / 2, connections: 4, streams: 8 });
  }
}

async function sampleMemory(
  server: Server,
  main: MemoryGroup,
  rest: MemoryGroup,
): Promise<{ main: Sample; all: Sample }> {
  const sizes = { main: [] as number[], all: [] as number[] };
  for (let index = 0; index < memorySamples; index++) {
    const [first = 0, ...others] = server.pids;
    const own = main.workingSet([first]);
    sizes.main.push(own);
    sizes.all.push(own + rest.workingSet(others));
    await sleep(500);
  }
  return { main: sample(sizes.main), all: sample(sizes.all) };
}

async function measureIdle(server: Server, seconds: number): Promise<Sample> {
  progress(`P3 idle for ${seconds} s: ${server.candidate.label}`);
  const before = cpuTime(server.pids);
  const started = performance.now();
  await sleep(seconds * 1_000);
  const milliseconds = performance.now() - started;
  // Microseconds of CPU in a millisecond are thousandths of a CPU.
  return sample([(cpuTime(server.pids) - before) / milliseconds]);
}

async function measureStarts(candidate: Candidate, count: number): Promise<{ first: Sample; all: Sample }> {
  const first: number[] = [];
  const all: number[] = [];
  progress(`P3 ${count} starts: ${candidate.label}`);
  for (let index = 0; index < count; index++) {
    const server = await Server.start(candidate);
    first.push(server.firstAnswer);
    all.push(server.allGpus);
    await server.stop();
  }
  return { first: sample(first), all: sample(all) };
}

function describe(server: Server, group: MemoryGroup): string {
  const resident = server.pids.map((pid) => `${residentMemory(pid).toFixed(0)} MiB`).join(' + ');
  return `P3: ${server.candidate.label}: working set from ${group.source}; resident with shared file pages ${resident}`;
}
