// What the link needs to know of its node: the seam between it and whatever knows the GPUs.
import type { Gpu, Sample } from '../wire/gpubroker/node/v1/node_link.ts';

/** What a GPU has become: there, as it is now, or gone. */
export type GpuChange = { readonly changed: Gpu } | { readonly removed: string };

/** The GPUs of a node. */
export interface NodeState {
  /** All GPUs as they are now. Every listener has been told of every change that this contains. */
  snapshot(): Gpu[];
  /** Tells of every change from now on, in order; returns the function that ends this. */
  subscribe(listener: (changes: readonly GpuChange[]) => void): () => void;
  /** What was read of each GPU since the last call; empty where nothing was. */
  samples(): Sample[];
}
