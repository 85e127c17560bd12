// One load process of fleet.ts: as many simulated nodes as it is told, each with a link of its own.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brokerChannel } from '../../src/broker-client/channel.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { SimulatedNode } from './simulated-node.ts';

/** What a load process is told. */
export interface FleetOrder {
  readonly url: string;
  readonly ca: string;
  readonly token: string;
  /** The nodes of this process have the numbers from `first` on. */
  readonly first: number;
  readonly count: number;
  readonly profile: string;
  /** Where the file of each node's faults is looked for. */
  readonly faultsFolder: string;
}

/** The name of a node. */
export const nodeName = (number: number) => `node-${String(number).padStart(4, '0')}`;
/** The file of its faults. */
export const faultsFile = (folder: string, number: number) => join(folder, `${nodeName(number)}.json`);

/** So many nodes join at a time: a rack that is switched on, not a fleet in the same millisecond. */
const mostJoining = 16;

async function until(nodes: readonly SimulatedNode[], joining: number): Promise<void> {
  while (nodes.filter(({ isStreaming }) => !isStreaming).length > joining) await sleep(20);
}

async function run({ url, ca, token, first, count, profile, faultsFolder }: FleetOrder): Promise<void> {
  const { log } = createLog({ daemon: 'bench', node: '', level: 'error', format: 'text' });
  const nodes: SimulatedNode[] = [];
  for (let number = first; number < first + count; number++) {
    const node = new SimulatedNode({
      name: nodeName(number),
      profile,
      faultsFile: faultsFile(faultsFolder, number),
      channel: brokerChannel(url, { ca, clientCert: '', clientKey: '' }),
      token,
      log,
      probeInterval: 1_000,
      telemetryInterval: 5_000,
    });
    nodes.push(node);
    await node.start();
    await until(nodes, mostJoining);
  }
  await until(nodes, 0);
  process.send?.('connected');
}

if (process.send) {
  process.on('message', (message: FleetOrder | 'stop') => {
    if (message === 'stop') process.exit(0);
    run(message).catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      process.exit(1);
    });
  });
}
