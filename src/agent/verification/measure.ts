// The measuring process: does one order on one device, and ends. Its calls are synchronous and may never return; whoever
// started it kills it at its deadline, and its end gives back whatever memory of the device it had.
import { once } from 'node:events';
import { runBenchmarks } from './benchmarks.ts';
import { type ComputeDevice, ComputeError } from './compute.ts';
import { type Listing, listComputeDevices } from './listing.ts';
import type { Draw, Order, Report } from './orders.ts';
import { Prover } from './proof.ts';

async function obey(order: Order): Promise<void> {
  const listings = listComputeDevices();
  if (order.kind === 'list') {
    report({ kind: 'devices', devices: listings.map(({ info }) => info) });
    return;
  }
  const device = open(listings, order.device);
  try {
    report({ kind: 'started', info: device.info });
    if (order.kind === 'bench') {
      if (order.waits) await once(process, 'message');
      for (const result of runBenchmarks(device, order.plan, order.names)) report({ kind: 'result', result });
    } else await prove(device, order);
  } finally {
    device.close();
  }
}

function open(listings: readonly Listing[], number: number): ComputeDevice {
  const listing = listings[number];
  if (!listing) throw new ComputeError('absent', `there is no device ${number}; there are ${listings.length}`);
  return listing.open();
}

async function prove(device: ComputeDevice, { challenge }: Extract<Order, { kind: 'prove' }>): Promise<void> {
  const prover = new Prover(device, challenge.size);
  try {
    prover.prepare(challenge);
    report({ kind: 'ready' });
    await once(process, 'message');
    const commitment = prover.prove(challenge);
    report({ kind: 'committed', root: commitment.root });
    const [{ places }] = (await once(process, 'message')) as [Draw];
    report({ kind: 'opened', openings: prover.open(challenge, commitment, places) });
  } finally {
    prover.free();
  }
}

function report(said: Report): void {
  // Without a callback a failed write would throw; whoever started this is gone then, and 'disconnect' ends it.
  process.send?.(said, undefined, undefined, () => {});
}

function complain(error: unknown): void {
  const fault = error instanceof ComputeError ? error.fault : 'failed';
  report({ kind: 'failed', fault, message: error instanceof Error ? error.message : String(error) });
}

// Whoever started this process decides when it ends; a signal to the whole process group is meant for that.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.once(
  'message',
  (order: Order) =>
    void obey(order)
      .catch(complain)
      .finally(() => process.disconnect()),
);
