// What nodes have to sell, and at which price, as plain data.
import type { Label } from './order.ts';

/** A GPU of a node that is in the inventory and has a product. */
export interface SupplyGpu {
  readonly id: string;
  readonly product: string;
  readonly label: Label;
  /** 0 where it has none. */
  readonly score: number;
  /** Its provider is verified, its node online and in service, it is healthy and not in maintenance. */
  readonly sellable: boolean;
  /** Somebody else computes on it: a process that no lease of ours has started, or the kubelet. */
  readonly occupied: boolean;
}

/** All that a node has; it replaces what was known of the node. */
export interface NodeSupply {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly providerId: string;
  /** Of the provider: who is paid. */
  readonly accountId: string;
  readonly region: string;
  /** In the order of their names; empty for a node that is gone. */
  readonly gpus: readonly SupplyGpu[];
}

/** At which price a node is sold. */
export interface NodePricing {
  readonly nodeId: string;
  /** Micro-dollars per GPU-hour. */
  readonly basePrice: number;
  readonly surge: boolean;
  readonly maxDurationHours: number;
  /** Milliseconds since 1970. */
  readonly availableUntil: number | null;
  /** So many of its GPUs, the last by name, or those with these ids, are not sold. */
  readonly withheld: number | readonly string[];
}
