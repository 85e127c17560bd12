// After a restart: conditions that their providers do not report again in time turn Unknown.
import type { Cache } from './cache.ts';
import { CacheError } from './errors.ts';
import { isStale } from './gpu.ts';

/** How many beats of a provider may be missed. */
const beats = 3;

/**
 * Waits for three beats, then turns what is still unconfirmed to Unknown.
 *
 * @param beatMs milliseconds between two reports of a provider
 * @returns the function that gives up waiting
 */
export function expectReconfirmation(cache: Cache, beatMs: number): () => void {
  const timer = setTimeout(() => {
    for (const { gpu } of cache.peek().entries()) {
      if (isStale(gpu)) cache.write({ kind: 'expire', provider: 'none', name: gpu.name }).catch(ignoreRefusal);
    }
  }, beats * beatMs);
  return () => clearTimeout(timer);
}

/** A GPU that was deleted meanwhile needs nothing any more. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof CacheError)) throw error;
}
