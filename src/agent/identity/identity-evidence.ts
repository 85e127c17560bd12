// The evidence of all devices of the node: worked out when a record changes, kept in between.
import { isDeepStrictEqual } from 'node:util';
import type { DeviceRecord } from '../devices/record.ts';
import type { DeviceView } from '../devices/view.ts';
import { examine } from './checks.ts';
import type { Evidence } from './evidence.ts';

/** Devices by the name that the caller gives them. */
export class IdentityEvidence {
  readonly #records = new Map<string, DeviceRecord>();
  readonly #evidence = new Map<string, readonly Evidence[]>();

  /** What the witnesses say of a device. */
  of(name: string): readonly Evidence[] {
    return this.#evidence.get(name) ?? [];
  }

  /** Takes a device's record; returns whose evidence has changed by it. Costs nothing where the record is the same. */
  saw(name: string, { record, source }: DeviceView): string[] {
    // A simulated device is what it is said to be.
    if (source === 'simulated' || this.#records.get(name) === record) return [];
    this.#records.set(name, record);
    return this.#examineAll();
  }

  /** Forgets a device; returns whose evidence has changed by it. */
  gone(name: string): string[] {
    this.#evidence.delete(name);
    return this.#records.delete(name) ? this.#examineAll() : [];
  }

  /** All of them, because one device is another's witness. */
  #examineAll(): string[] {
    const devices = [...this.#records];
    return devices.flatMap(([name, record]) => {
      const others = devices.filter(([other, { parent }]) => other !== name && parent === undefined);
      const now = examine(
        record,
        others.map(([, other]) => other),
      );
      if (isDeepStrictEqual(now, this.#evidence.get(name))) return [];
      this.#evidence.set(name, now);
      return [name];
    });
  }
}
