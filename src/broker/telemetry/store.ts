// Takes what nodes read of their GPUs and stores it: the interface that the node link and the HTTP API see.
import type { Telemetry } from '../../wire/gpubroker/node/v1/node_link.ts';

/** Where readings go. */
export interface TelemetryStore {
  /**
   * Stores rounds of one node, in the order in which the node took them. Resolves when they are committed, and with
   * them how far the spool has been stored; rejects only when the store stops. Where the store is full the promise
   * waits: whoever reads from a node must not read on before it has resolved.
   * @param spoolId whose sequences the rounds carry; undefined for rounds that have none, over HTTP.
   */
  add(nodeId: string, spoolId: string | undefined, rounds: readonly Telemetry[]): Promise<void>;
}
