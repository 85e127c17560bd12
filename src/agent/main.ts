// `gpubroker agent`: the daemon of a GPU node.
import { type Daemon, nodeEndpoints, runDaemon } from '../daemon/daemon.ts';
import { type AgentOptions, agentOptions } from '../daemon/node-options.ts';
import { agentSteps } from './agent.ts';

const agent: Daemon<AgentOptions> = {
  name: 'agent',
  summary: "Finds the GPUs of this node, watches them and serves their state as NVIDIA's device API on a Unix socket.",
  examples: [
    ['gpubroker agent', 'Serve the NVIDIA GPUs of this node'],
    ['gpubroker agent --driver-root /run/nvidia/driver', 'The same with a containerised driver'],
    ['gpubroker agent --sources simulated --simulate h200x1', 'Serve a simulated node'],
  ],
  options: agentOptions,
  endpoints: nodeEndpoints,
  steps: (context) => agentSteps(context, 'agent'),
};

/** Runs the daemon until it is told to stop; returns its exit code. */
export function runAgent(argv: readonly string[]): Promise<number> {
  return runDaemon(agent, argv);
}
