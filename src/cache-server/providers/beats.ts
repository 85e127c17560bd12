// When each provider's silence begins: what is due by the clock, and nothing else.

/** How many beats may be missed. */
export const missableBeats = 3;

/** The providers whose beats are expected. Times are milliseconds of a monotonic clock, which the caller passes in. */
export class Beats {
  readonly #expected = new Map<string, { readonly intervalMs: number; dueMs: number }>();

  /** Expects beats at this interval, counted from now. */
  expect(id: string, intervalMs: number, now: number): void {
    this.#expected.set(id, { intervalMs, dueMs: now + missableBeats * intervalMs });
  }

  /** A beat came. */
  heard(id: string, now: number): void {
    const expected = this.#expected.get(id);
    if (expected) expected.dueMs = now + missableBeats * expected.intervalMs;
  }

  /** Expects nothing more of a provider. */
  forget(id: string): void {
    this.#expected.delete(id);
  }

  /** When the next silence begins if nobody is heard before; undefined where nobody is expected. */
  next(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#expected.values()) next = Math.min(next ?? dueMs, dueMs);
    return next;
  }

  /** Those that are silent now; nothing more is expected of them. */
  takeSilent(now: number): string[] {
    const silent = [...this.#expected].filter(([, { dueMs }]) => dueMs <= now).map(([id]) => id);
    for (const id of silent) this.#expected.delete(id);
    return silent;
  }
}
