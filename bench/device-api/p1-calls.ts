// P1: what GetGpu and ListGpus cost the server in CPU time, and how long one call alone takes.
import type { Candidate } from './candidates.ts';
import type { Figure, Findings } from './figures.ts';
import { checkAnswers } from './gpus.ts';
import { drive, type Method, methods } from './load.ts';
import { cpuTime } from './processes.ts';
import { progress } from './progress.ts';
import { Server } from './server.ts';
import { quantile, sample } from './statistics.ts';

export interface CallPlan {
  rounds: number;
  callsPerRound: number;
  timedCalls: number;
}

interface Measured {
  cpu: number[];
  p50: number[];
  p99: number[];
}

type Measurements = Record<Method, Measured>;

const budgets: Record<Method, { cpu: number; p50: number }> = {
  GetGpu: { cpu: 1.6, p50: 1.2 },
  ListGpus: { cpu: 0.7, p50: 0.8 },
};

export function measureCalls(ours: Candidate, peer: Candidate, plan: CallPlan): Promise<Findings> {
  return Server.withEach([ours, peer], { pinned: true }, async (servers) => {
    const measurements = [empty(), empty()] as const;
    for (const server of servers) await warmUp(server, plan);
    for (let round = 1; round <= plan.rounds; round++) {
      // The order alternates, so that neither server always goes first.
      for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        progress(`P1 round ${round} of ${plan.rounds}: ${servers[index].candidate.label}`);
        await measureRound(servers[index], plan, measurements[index]);
      }
    }
    for (const server of servers) await checkMetrics(server, plan);
    return { figures: methods.flatMap((method) => figuresOf(method, ...measurements)), notes: await sizes(servers) };
  });
}

// Long enough for a compiler that learns at run time.
async function warmUp(server: Server, plan: CallPlan): Promise<void> {
  progress(`P1 warm-up: ${server.candidate.label}`);
  for (const method of methods) {
    await drive(server, { method, calls: 2 * plan.callsPerRound, connections: 4, streams: 8 });
  }
}

const empty = (): Measurements => ({
  GetGpu: { cpu: [], p50: [], p99: [] },
  ListGpus: { cpu: [], p50: [], p99: [] },
});

async function measureRound(server: Server, plan: CallPlan, into: Measurements): Promise<void> {
  for (const method of methods) {
    const before = cpuTime(server.pids);
    await drive(server, { method, calls: plan.callsPerRound, connections: 4, streams: 8 });
    into[method].cpu.push((cpuTime(server.pids) - before) / plan.callsPerRound);
    const times = await drive(server, { method, calls: plan.timedCalls, connections: 1, streams: 1, timed: true });
    into[method].p50.push(quantile(times, 0.5));
    into[method].p99.push(quantile(times, 0.99));
  }
}

// A server whose metrics are off would do less work than the budget is about.
async function checkMetrics(server: Server, plan: CallPlan): Promise<void> {
  for (const method of methods) {
    const calls = plan.rounds * (plan.callsPerRound + plan.timedCalls);
    const counted = await server.handledCalls(method);
    if (counted < calls) throw new Error(`${server.candidate.label} counts ${counted} of ${calls} calls of ${method}`);
  }
}

function figuresOf(method: Method, ours: Measurements, peer: Measurements): Figure[] {
  const name = method === 'GetGpu' ? method : `${method}(8)`;
  const both = (key: keyof Measured) => ({ ours: sample(ours[method][key]), peer: sample(peer[method][key]) });
  const shared = { row: 'P1', unit: 'µs' };
  return [
    { ...shared, name: `${name}, server CPU per call`, ...both('cpu'), budget: { ratio: budgets[method].cpu } },
    { ...shared, name: `${name}, one outstanding, p50`, ...both('p50'), budget: { ratio: budgets[method].p50 } },
    { ...shared, name: `${name}, one outstanding, p99`, ...both('p99') },
  ];
}

async function sizes(servers: readonly Server[]): Promise<string[]> {
  const lines: string[] = [];
  for (const server of servers) {
    const { getSize, listSize } = await checkAnswers(server.socket);
    lines.push(
      `P1: ${server.candidate.label} answers GetGpu with ${getSize} bytes and ListGpus with ${listSize} bytes`,
    );
  }
  return lines;
}
