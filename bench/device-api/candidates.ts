// The servers that are measured, and how each is started.
import { dirname, join } from 'node:path';
import { runCommand } from './commands.ts';
import { root } from './folders.ts';
import { peerProgram } from './peer.ts';

// Where one server process lives.
export interface Place {
  socket: string;
  dataFolder: string;
  metricsPort: number;
}

export interface Candidate {
  label: string;
  // Whether it finds its own GPUs; otherwise the benchmark registers them.
  findsGpus: boolean;
  command(place: Place): string[];
}

export const peer: Candidate = {
  label: 'peer',
  findsGpus: false,
  command: ({ socket, metricsPort }) => [
    peerProgram,
    '-socket',
    socket,
    '-metrics-address',
    `127.0.0.1:${metricsPort}`,
  ],
};

export const builtProgram = join(root, 'bin/gpubroker');

// The product's device API alone.
export const cacheServer = (program: string): Candidate => ({
  label: 'ours',
  findsGpus: false,
  command: (place) => [program, 'cache-server', ...serverFlags(place)],
});

// The product's whole node daemon, with simulated GPUs.
export const agent = (program: string): Candidate => ({
  label: 'ours',
  findsGpus: true,
  command: (place) => [program, 'agent', '--sources', 'simulated', '--simulate', 'dgx-h100', ...serverFlags(place)],
});

export async function buildProduct(): Promise<void> {
  await runCommand('npm', ['run', 'build'], { PATH: pathWithThisNode() });
}

// The product is measured on the Node that runs the benchmark.
export function pathWithThisNode(): string {
  return `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
}

function serverFlags({ socket, dataFolder, metricsPort }: Place): string[] {
  return [
    ['--unix-socket', socket],
    ['--grpc-address', ''],
    ['--health-port', '0'],
    ['--metrics-port', String(metricsPort)],
    ['--data-dir', dataFolder],
  ].flat();
}
