// A fingerprint of the state: a sum over its parts, so that the order in which they come does not matter.
import type { EngineRecord } from './contract.ts';
import { Digest } from './digest.ts';
import type { Market } from './market.ts';
import { recordsBesidesOrders } from './records.ts';

/** @returns 32 hexadecimal digits; the time is not in it, because it passes also where nothing happens */
export function hashOf(market: Market): string {
  const { orders, trades, priority, ids } = market;
  const sums = new Uint32Array(4);
  const digest = new Digest();
  hashRecord({ type: 'counters', now: 0, trades, priority, ids }, digest, sums);
  for (const record of recordsBesidesOrders(market)) hashRecord(record, digest, sums);
  for (const slot of orders.slots()) {
    digest.start();
    orders.digest(slot, market.productOf(slot).name, digest);
    digest.addTo(sums);
  }
  return Array.from(sums, (sum) => sum.toString(16).padStart(8, '0')).join('');
}

function hashRecord(record: EngineRecord, digest: Digest, sums: Uint32Array): void {
  digest.start();
  digest.text(JSON.stringify(record));
  digest.addTo(sums);
}
