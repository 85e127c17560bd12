// A market for commands: the provider's nodes that sell, a consumer with money.
import { vi } from 'vitest';
import { appendToJournal } from '../../../src/broker/events/journal.ts';
import { addGpu, addNode } from '../../fixtures/registry.ts';
import type { ServedBroker } from './broker.ts';

export const product = 'H100-SXM5-80GB';

/** A node of the provider among the people, with so many GPUs that may be sold; it has no price yet. */
export async function sellingNode(broker: ServedBroker, gpus: number): Promise<string> {
  const { db } = broker.database;
  const node = await addNode(db, broker.people.provider.accountId);
  for (let i = 0; i < gpus; i++) await addGpu(db, node);
  const event = { kind: 'node.status', at: new Date(), nodeId: node.nodeId, data: { status: 'healthy' } };
  await db.transaction().execute((trx) => appendToJournal(trx, [event]));
  return node.nodeId;
}

/** Prices a node, and waits until it asks for so many GPUs. */
export async function priceNode(broker: ServedBroker, nodeId: string, price: string, gpus: number): Promise<void> {
  await broker.json('provider', 'nodes', 'pricing', 'set', nodeId, '--price', price);
  await vi.waitFor(
    async () => {
      const { offers } = await broker.json('provider', 'nodes', 'pricing', 'show', nodeId);
      if (offers[0]?.open_quantity !== gpus) throw new Error(`it offers ${JSON.stringify(offers)}`);
    },
    { timeout: 20_000, interval: 50 },
  );
}

/** Gives the consumer so many US dollars. */
export async function fund({ json, people }: ServedBroker, amount: string): Promise<void> {
  await json('admin', 'wallet', 'deposit', amount, '--account', people.consumer.accountId);
}
