// How busy the GPUs of each cluster were in the last minute, from what was stored; in memory.
import type { Sample } from '../../wire/gpubroker/node/v1/node_link.ts';

/** Six slots of ten seconds are the last minute. */
const slotMs = 10_000;
const slots = 6;

interface Slot {
  /** Which ten seconds since 1970. */
  number: number;
  sum: number;
  count: number;
}

/** Fed with every stored round, asked at every scrape. */
export class ClusterUtilization {
  readonly #clusters = new Map<string, Slot[]>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** @param at milliseconds; rounds older than a minute tell nothing. */
  add(clusterId: string, at: number, samples: readonly Sample[]): void {
    const number = Math.floor(at / slotMs);
    if (number <= this.#current() - slots) return;
    const slot = this.#slot(clusterId, number);
    for (const { utilizationPercent } of samples) {
      if (utilizationPercent === undefined) continue;
      slot.sum += Math.min(utilizationPercent, 100);
      slot.count++;
    }
  }

  /** By cluster, 0 to 1; a cluster of which nothing was heard for a minute is left out, and forgotten. */
  means(): ReadonlyMap<string, number> {
    const means = new Map<string, number>();
    const oldest = this.#current() - slots + 1;
    for (const [clusterId, all] of this.#clusters) {
      const recent = all.filter((slot) => slot.number >= oldest);
      const count = recent.reduce((total, slot) => total + slot.count, 0);
      if (recent.length === 0) this.#clusters.delete(clusterId);
      if (count > 0) means.set(clusterId, recent.reduce((total, slot) => total + slot.sum, 0) / count / 100);
    }
    return means;
  }

  #current(): number {
    return Math.floor(this.#now().getTime() / slotMs);
  }

  #slot(clusterId: string, number: number): Slot {
    const all = this.#clusters.get(clusterId) ?? [];
    const place = number % slots;
    const found = all[place];
    if (found && found.number >= number) return found;
    const slot = { number, sum: 0, count: 0 };
    all[place] = slot;
    this.#clusters.set(clusterId, all);
    return slot;
  }
}
