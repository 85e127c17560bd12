// One write to each of many GPUs, whatever else waits to be written: for conditions that nobody stands by any more.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cache } from './cache.ts';
import { CacheError } from './errors.ts';
import type { CachedGpu } from './gpu.ts';
import type { Write } from './write.ts';

/** Writes in flight: of all providers together fewer than may wait, so that clients keep their places. */
const atOnce = 8;
/** How long a write waits that found no place, in milliseconds. */
const pauseMs = 20;

/**
 * Writes to every GPU that is concerned once the writes accepted before are stored.
 *
 * @param goOn asked before each write is accepted; false ends it
 */
export async function writeToEach(
  cache: Cache,
  concerns: (gpu: CachedGpu) => boolean,
  toWrite: (name: string) => Write,
  goOn: () => boolean,
): Promise<void> {
  const names = await namesOf(cache, concerns);
  for (let at = 0; at < names.length && goOn(); at += atOnce) {
    await Promise.all(names.slice(at, at + atOnce).map((name) => writeWithPatience(cache, toWrite(name), goOn)));
  }
}

function namesOf(cache: Cache, concerns: (gpu: CachedGpu) => boolean): Promise<string[]> {
  return new Promise((resolve) => {
    cache.read((view) => {
      const concerned = [...view.entries()].filter(({ gpu }) => concerns(gpu));
      resolve(concerned.map(({ gpu }) => gpu.name));
    });
  });
}

async function writeWithPatience(cache: Cache, write: Write, goOn: () => boolean): Promise<void> {
  while (goOn()) {
    try {
      await cache.write(write);
      return;
    } catch (error) {
      // Deleted meanwhile, or a fault that the cache itself tells of.
      if (!(error instanceof CacheError) || error.refusal !== 'exhausted') return;
      await sleep(pauseMs, undefined, { ref: false });
    }
  }
}
