// P2: how soon a change reaches each of 1,000 watchers, and what a watcher that never reads costs the server.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Candidate } from './candidates.ts';
import type { Findings } from './figures.ts';
import { checkAnswers } from './gpus.ts';
import { MemoryGroup } from './memory.ts';
import { progress } from './progress.ts';
import { Server } from './server.ts';
import { quantile, type Sample, sample } from './statistics.ts';
import { type Deliveries, holdStalledWatchers, measureDeliveries } from './watchers.ts';

export interface WatchPlan {
  rounds: number;
  watchers: number;
  connections: number;
  rate: number;
  seconds: number;
  stalledRounds: number;
}

// Several at once, so that one watcher's share stands out from the heap's ordinary breathing.
const stalledWatchers = 20;
// Enough events to fill the window, the socket and the watcher's queue many times over.
const stalledFlow = { watchers: 1, connections: 1, rate: 400, seconds: 5 };
const sampleInterval = 50;

export async function measureWatchers(ours: Candidate, peer: Candidate, plan: WatchPlan): Promise<Findings> {
  const delivery = await measureDelivery(ours, peer, plan);
  const stalledOurs = await measureStalled(ours, plan.stalledRounds);
  const stalledPeer = await measureStalled(peer, plan.stalledRounds);
  const name = `${plan.watchers} watchers, delivery`;
  const times = (key: 'p50' | 'p99' | 'max') => ({
    row: 'P2',
    unit: 'ms',
    ours: milliseconds(delivery[0], key),
    peer: milliseconds(delivery[1], key),
  });
  const stalled = { ours: stalledOurs.cost, peer: stalledPeer.cost, budget: { limit: 1 } };
  return {
    figures: [
      { ...times('p50'), name: `${name} p50` },
      { ...times('p99'), name: `${name} p99`, budget: { ratio: 1 } },
      { ...times('max'), name: `${name} max` },
      { row: 'P2', unit: 'MiB', name: 'one stalled watcher', ...stalled },
    ],
    notes: [`P2: every watcher got every event; the stalled watcher's memory is from ${stalledOurs.source}`],
  };
}

function measureDelivery(ours: Candidate, peer: Candidate, plan: WatchPlan): Promise<[Deliveries[], Deliveries[]]> {
  return Server.withEach([ours, peer], { pinned: true }, async (servers) => {
    const results: [Deliveries[], Deliveries[]] = [[], []];
    for (let round = 0; round <= plan.rounds; round++) {
      // Round 0 warms up. The order alternates, so that neither server always goes first.
      for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const server = servers[index];
        progress(`P2 ${round === 0 ? 'warm-up' : `round ${round} of ${plan.rounds}`}: ${server.candidate.label}`);
        const { name } = await checkAnswers(server.socket);
        const result = await measureDeliveries(server.socket, { ...plan, name });
        if (round > 0) results[index].push(result);
      }
    }
    return results;
  });
}

async function measureStalled(candidate: Candidate, rounds: number): Promise<{ cost: Sample; source: string }> {
  const costs: number[] = [];
  let source = '';
  for (let round = 1; round <= rounds; round++) {
    progress(`P2 stalled watchers, round ${round} of ${rounds}: ${candidate.label}`);
    const group = new MemoryGroup('stalled');
    source = group.source;
    const measure = (server: Server) => stalledCost(server, group);
    costs.push(await Server.with(candidate, { pinned: true, group }, measure).finally(() => group.remove()));
  }
  return { cost: sample(costs), source };
}

// The growth of the working set's high end under the same flow of events, with and without the stalled watchers.
async function stalledCost(server: Server, group: MemoryGroup): Promise<number> {
  await memoryUnderFlow(server, group);
  const before = await memoryUnderFlow(server, group);
  const stalled = await holdStalledWatchers(server.socket, stalledWatchers);
  const after = await memoryUnderFlow(server, group);
  await stalled.stop();
  return Math.max(0, after - before) / stalledWatchers;
}

async function memoryUnderFlow(server: Server, group: MemoryGroup): Promise<number> {
  const { name } = await checkAnswers(server.socket);
  const sizes: number[] = [];
  let flowing = true;
  const flow = measureDeliveries(server.socket, { ...stalledFlow, name }).finally(() => {
    flowing = false;
  });
  const watch = async () => {
    while (flowing) {
      sizes.push(group.workingSet(server.pids));
      await sleep(sampleInterval);
    }
  };
  await Promise.all([flow, watch()]);
  return quantile(
    sizes.sort((a, b) => a - b),
    0.95,
  );
}

function milliseconds(results: Deliveries[], key: 'p50' | 'p99' | 'max'): Sample {
  return sample(results.map((result) => result[key] / 1_000));
}
