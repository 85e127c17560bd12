// The metrics of the supply: what was told to the market, and what waits.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface SupplyMetrics {
  /** `found`: by an event of the journal, or by comparing all nodes. */
  readonly changes: Counter<'found'>;
  readonly seconds: Histogram;
}

/** @param waiting how many nodes are to be looked at */
export function supplyMetrics(registry: Registry, waiting: () => number): SupplyMetrics {
  const registers = [registry];
  new Gauge({
    name: 'gpubroker_supply_waiting_nodes',
    help: 'Nodes of which something changed and which the market has not been told of yet.',
    registers,
    collect() {
      this.set(waiting());
    },
  });
  return {
    changes: new Counter({
      name: 'gpubroker_supply_changes_total',
      help: 'Changes of what a node has to sell, by how they were found: event or comparison.',
      labelNames: ['found'],
      registers,
    }),
    seconds: new Histogram({
      name: 'gpubroker_supply_seconds',
      help: 'Time from when the market learnt of a change of a node until the change was durable in the book.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
      registers,
    }),
  };
}
