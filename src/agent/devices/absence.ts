// What becomes of values that a driver does not give: they are left out, and one that fails takes no other with it.
import { DeviceError } from './source.ts';

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The same object without the values that are undefined. */
export function present<T extends object>(values: T): Present<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  // Object.fromEntries cannot know the keys; none was added.
  return Object.fromEntries(entries) as Present<T>;
}

/** As {@link present}, but undefined when nothing is left. */
export function presentOrNone<T extends object>(values: T): Present<T> | undefined {
  const left = present(values);
  return Object.keys(left).length === 0 ? undefined : left;
}

/**
 * The value that `read` returns, or undefined when this one reading failed. Faults of the whole device or driver
 * (`lost`, `reset-required`, `driver-gone`) are thrown on.
 */
export function tolerate<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DeviceError && error.fault === 'failed') return undefined;
    throw error;
  }
}
