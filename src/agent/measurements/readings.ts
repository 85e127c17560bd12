// The readings of devices as they come, for whoever waits for one or collects them.
import type { DeviceReadings } from '../devices/record.ts';
import type { DeviceView } from '../devices/view.ts';

type Listener = (readings: DeviceReadings) => void;

/** Told of every view of a device. */
export class ReadingsFeed {
  readonly #listeners = new Map<string, Set<Listener>>();

  /** Takes a view; what has no new reading is no news. */
  deviceChanged({ uuid, readings }: Readonly<DeviceView>): void {
    if (readings) for (const listener of this.#listeners.get(keyOf(uuid)) ?? []) listener(readings);
  }

  /** Calls the listener with every view's readings of a device; returns the function that ends this. */
  subscribe(uuid: string, listener: Listener): () => void {
    const key = keyOf(uuid);
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  /**
   * Waits for a reading of a device.
   *
   * @param since when it may have been taken at the earliest, in milliseconds since the epoch
   * @param within how long it is waited for, in milliseconds
   * @returns whether it came
   */
  async after(uuid: string, since: number, within: number): Promise<boolean> {
    const came = Promise.withResolvers<boolean>();
    const unsubscribe = this.subscribe(uuid, ({ timeMs }) => timeMs >= since && came.resolve(true));
    const timer = setTimeout(() => came.resolve(false), within);
    try {
      return await came.promise;
    } finally {
      clearTimeout(timer);
      unsubscribe();
    }
  }
}

/** More than come within an hour. */
const mostKept = 4_000;

/** Keeps a reading, once; what is read with every look changes between two readings without being one. */
export function keep(seen: DeviceReadings[], reading: DeviceReadings): void {
  const isNew = reading.timeMs !== seen.at(-1)?.timeMs;
  if (isNew && seen.push(reading) > mostKept) seen.shift();
}

function keyOf(uuid: string): string {
  return uuid.toLowerCase();
}
