// Whether a daemon is ready, and why not: named checks that its parts keep up to date.

type CheckState = 'ok' | 'warning' | 'not-ready';

/** One aspect of readiness. */
export interface Check {
  readonly name: string;
  readonly state: CheckState;
  /** Why it is not `ok`, for people; empty when it is. */
  readonly message: string;
}

/** The checks of one daemon. It is ready when none of them says otherwise. */
export class Readiness {
  readonly #checks = new Map<string, Check>();
  readonly #listeners = new Set<(readiness: Readiness) => void>();

  ok(name: string): void {
    this.#set({ name, state: 'ok', message: '' });
  }

  /** Serves on, though an operator should know this. */
  warn(name: string, message: string): void {
    this.#set({ name, state: 'warning', message });
  }

  notReady(name: string, reason: string): void {
    this.#set({ name, state: 'not-ready', message: reason });
  }

  get isReady(): boolean {
    return this.reasons().length === 0;
  }

  /** In the order in which they were first set. */
  checks(): readonly Check[] {
    return [...this.#checks.values()];
  }

  /** Why the daemon is not ready, as `name: reason`. */
  reasons(): string[] {
    return this.#messages('not-ready');
  }

  /** What an operator should know though the daemon is ready, as `name: message`. */
  warnings(): string[] {
    return this.#messages('warning');
  }

  /** Calls the listener after every change; returns the function that ends this. */
  onChange(listener: (readiness: Readiness) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #set(check: Check): void {
    const before = this.#checks.get(check.name);
    if (before?.state === check.state && before.message === check.message) return;
    this.#checks.set(check.name, check);
    for (const listener of this.#listeners) listener(this);
  }

  #messages(state: CheckState): string[] {
    return this.checks()
      .filter((check) => check.state === state)
      .map((check) => `${check.name}: ${check.message}`);
  }
}
