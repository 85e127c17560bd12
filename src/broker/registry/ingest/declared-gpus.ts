// Compares the GPUs that a provider declared for a node with those that the node shows.
import type { DeclaredGpus } from '../../storage/schema.ts';
import { memoryFits } from '../products/taxonomy.ts';

/** What the comparison needs of a GPU; MIG instances are not GPUs here. */
export interface DiscoveredGpu {
  readonly model: string | null;
  readonly product: string | null;
  readonly memory_bytes: number | null;
}

/** One difference; `model` null for GPUs that nobody declared. */
export interface Difference {
  readonly model: string | null;
  readonly declared: number;
  readonly found: number;
}

/**
 * A GPU is of a declared model when every word of the declaration stands in its model or product: `H100` fits `NVIDIA
 * H100 80GB HBM3`, `H100 PCIe` does not. The longest declaration that fits counts. Empty where all is as declared, or
 * nothing was.
 */
export function differences(declared: readonly DeclaredGpus[], found: readonly DiscoveredGpu[]): Difference[] {
  if (declared.length === 0) return [];
  const wanted = declared
    .map(({ model, count, memory_gb }) => ({ model, count, memory_gb, words: wordsOf(model), found: 0 }))
    .sort((a, b) => b.words.length - a.words.length);
  let undeclared = 0;
  for (const gpu of found) {
    const fitting = wanted.filter(({ words, memory_gb }) => isOf(gpu, words, memory_gb));
    const place = fitting.find(({ count, found }) => found < count) ?? fitting[0];
    if (place) place.found++;
    else undeclared++;
  }
  const differing = wanted.filter(({ count, found }) => count !== found);
  return [
    ...differing.map(({ model, count, found }) => ({ model, declared: count, found })),
    ...(undeclared > 0 ? [{ model: null, declared: 0, found: undeclared }] : []),
  ];
}

function isOf(gpu: DiscoveredGpu, words: readonly string[], memoryGb: number | undefined): boolean {
  const shown = new Set([...wordsOf(gpu.model ?? ''), ...wordsOf(gpu.product ?? '')]);
  if (!words.every((word) => shown.has(word))) return false;
  return memoryGb === undefined || gpu.memory_bytes === null || memoryFits(gpu.memory_bytes, memoryGb);
}

/** In lower case, without the maker's name. */
function wordsOf(text: string): string[] {
  const words = text.toLowerCase().split(/[^a-z0-9]+/);
  return words.filter((word) => word !== '' && !['nvidia', 'amd', 'intel', 'instinct', 'sim'].includes(word));
}
