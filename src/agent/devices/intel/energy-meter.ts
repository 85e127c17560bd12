// Power from a counter of energy: what was used between two looks, by the time between them.

interface Look {
  readonly microjoules: number;
  readonly atMs: number;
}

/** The counters of several cards. */
export class EnergyMeter {
  readonly #last = new Map<string, Look>();

  /** Milliwatts since the last look at this card; undefined at the first, and when the counter has begun anew. */
  look(card: string, microjoules: number, atMs: number): number | undefined {
    const before = this.#last.get(card);
    this.#last.set(card, { microjoules, atMs });
    if (!before || atMs <= before.atMs || microjoules < before.microjoules) return undefined;
    return Math.round((microjoules - before.microjoules) / (atMs - before.atMs));
  }

  /** Forgets the cards that are not among these. */
  keep(cards: readonly string[]): void {
    for (const card of this.#last.keys()) if (!cards.includes(card)) this.#last.delete(card);
  }
}
