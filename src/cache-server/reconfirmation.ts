// After a restart: conditions that their providers do not report again in time turn Unknown.
import type { Cache } from './cache.ts';
import { writeToEach } from './expiry.ts';
import { isStale } from './gpu.ts';
import { missableBeats } from './providers/beats.ts';

/**
 * Waits for three beats, then turns what is still unconfirmed to Unknown.
 *
 * @param beatMs milliseconds between two reports of a provider
 * @returns the function that gives up waiting
 */
export function expectReconfirmation(cache: Cache, beatMs: number): () => void {
  let waits = true;
  const timer = setTimeout(() => {
    void writeToEach(
      cache,
      isStale,
      (name) => ({ kind: 'expire', provider: 'none', name }),
      () => waits,
    );
  }, missableBeats * beatMs);
  return () => {
    waits = false;
    clearTimeout(timer);
  };
}
