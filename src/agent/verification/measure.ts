// The measuring process: does one order on one device, and ends. Its calls are synchronous and may never return; whoever
// started it kills it at its deadline, and its end gives back whatever memory of the device it had.
import { on, once } from 'node:events';
import type { Opening } from '../../proof/verify.ts';
import { runBenchmarks } from './benchmarks.ts';
import { type ComputeDevice, ComputeError } from './compute.ts';
import { type Listing, listComputeDevices } from './listing.ts';
import type { Order, ProofStep, Report } from './orders.ts';
import { Prover } from './proof.ts';

async function obey(order: Order): Promise<void> {
  const listings = listComputeDevices(process.argv[3]);
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

/** Until this process is killed, for the memory is kept from step to step. */
async function prove(device: ComputeDevice, { work }: Extract<Order, { kind: 'prove' }>): Promise<void> {
  const prover = new Prover(device, work);
  let openings: readonly Opening[] = [];
  report({ kind: 'ready' });
  for await (const [said] of on(process, 'message') as AsyncIterable<[ProofStep]>) {
    if (said.kind === 'begin') {
      const began = performance.now();
      const root = prover.prove(said.start);
      report({ kind: 'committed', root, micros: Math.round((performance.now() - began) * 1_000) });
    } else if (said.kind === 'open') {
      openings = prover.open(said.places);
      report({ kind: 'opened' });
    } else report({ kind: 'openings', openings: openings.slice(said.first, said.first + said.count) });
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
