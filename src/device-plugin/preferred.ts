// Which of the free devices suit a container best: those with the greatest affinity to each other; among equals those
// that leave the greatest affinity among the rest, which packs; among equals the first.
//
// All sets are tried where they are few, as on a node of 8 GPUs. Else a set grows by the best device at a time, from each
// device once, as on a node of 72 MIG instances.
import { affinities } from './affinity.ts';
import type { Offer } from './offers.ts';

/** So many sets are tried at most, which takes a few milliseconds. */
const mostSets = 20_000;

/** What is to be chosen. */
export interface Wish {
  /** Ids to choose from. */
  readonly available: readonly string[];
  /** Ids that must be chosen. */
  readonly required: readonly string[];
  readonly size: number;
}

/**
 * The best choice.
 *
 * @param offers the devices of the resource, in their order; an id that is not among them is chosen last
 * @throws RangeError when there are fewer than `size`, or more are required
 */
export function preferred(offers: readonly Offer[], { available, required, size }: Wish): string[] {
  const must = new Set(required);
  const ids = inOrder(offers, new Set([...required, ...available]));
  if (size < must.size || size > ids.length) {
    throw new RangeError(`${size} of ${ids.length} devices cannot be chosen, with ${must.size} of them required`);
  }
  const byId = new Map(offers.map(({ id, device }) => [id, device]));
  const choice = new Choice(affinities(ids.map((id) => byId.get(id))));
  for (const [place, id] of ids.entries()) if (must.has(id)) choice.add(place);
  const free = [...ids.keys()].filter((place) => !choice.has(place));
  const missing = size - must.size;
  const best = sets(free.length, missing) <= mostSets ? exact(choice, free, missing) : greedy(choice, missing);
  return best.map((place) => ids[place] ?? '');
}

function inOrder(offers: readonly Offer[], wanted: ReadonlySet<string>): string[] {
  const known = offers.map(({ id }) => id).filter((id) => wanted.has(id));
  const unknown = [...wanted].filter((id) => !known.includes(id)).sort();
  return [...known, ...unknown];
}

/** How many sets of `size` there are; stops counting above the bound. */
function sets(count: number, size: number): number {
  let found = 1;
  for (let i = 1; i <= Math.min(size, count - size) && found <= mostSets; i++) found = (found * (count - i + 1)) / i;
  return found;
}

/** Tries every set, in the order of places. */
function exact(choice: Choice, free: readonly number[], missing: number): number[] {
  let best: { places: number[]; score: Score } | undefined;
  const grow = (from: number, left: number) => {
    if (left === 0) {
      const score = choice.score();
      if (!best || isBetter(score, best.score)) best = { places: choice.places(), score };
      return;
    }
    for (let i = from; i <= free.length - left; i++) {
      const place = free[i] ?? 0;
      choice.add(place);
      grow(i + 1, left - 1);
      choice.remove(place);
    }
  };
  grow(0, missing);
  return best?.places ?? [];
}

/** Grows one set from each device, or from the required ones, and takes the best of them. */
function greedy(choice: Choice, missing: number): number[] {
  const starts = choice.size > 0 ? [undefined] : choice.free();
  let best: { places: number[]; score: Score } | undefined;
  for (const start of starts) {
    const added = start === undefined ? [] : [start];
    for (const place of added) choice.add(place);
    while (added.length < missing) {
      const next = choice.bestNext();
      choice.add(next);
      added.push(next);
    }
    const score = choice.score();
    if (!best || isBetter(score, best.score)) best = { places: choice.places(), score };
    for (const place of added) choice.remove(place);
  }
  return best?.places ?? [];
}

/** The sums of the affinities inside the set, and among those that are left. */
interface Score {
  readonly inside: number;
  readonly left: number;
}

function isBetter(a: Score, b: Score): boolean {
  return a.inside > b.inside || (a.inside === b.inside && a.left > b.left);
}

/** A set that grows and shrinks; adding and removing cost one look at each device. */
class Choice {
  readonly #affinities: readonly (readonly number[])[];
  readonly #chosen: boolean[];
  /** Of each device, to those that are chosen, and to those that are not. */
  readonly #toChosen: number[];
  readonly #toFree: number[];
  #inside = 0;
  #left = 0;
  size = 0;

  constructor(matrix: readonly (readonly number[])[]) {
    this.#affinities = matrix;
    this.#chosen = matrix.map(() => false);
    this.#toChosen = matrix.map(() => 0);
    this.#toFree = matrix.map((row) => row.reduce((sum, one) => sum + one, 0));
    this.#left = this.#toFree.reduce((sum, one) => sum + one, 0) / 2;
  }

  has(place: number): boolean {
    return this.#chosen[place] ?? false;
  }

  free(): number[] {
    return [...this.#chosen.keys()].filter((place) => !this.#chosen[place]);
  }

  places(): number[] {
    return [...this.#chosen.keys()].filter((place) => this.#chosen[place]);
  }

  score(): Score {
    return { inside: this.#inside, left: this.#left };
  }

  add(place: number): void {
    this.#inside += this.#toChosen[place] ?? 0;
    this.#left -= this.#toFree[place] ?? 0;
    this.#move(place, true);
  }

  remove(place: number): void {
    this.#move(place, false);
    this.#inside -= this.#toChosen[place] ?? 0;
    this.#left += this.#toFree[place] ?? 0;
  }

  /** The free device with the greatest affinity to the chosen; among equals that which the others miss least. */
  bestNext(): number {
    let best = -1;
    for (let place = 0; place < this.#chosen.length; place++) {
      if (this.#chosen[place]) continue;
      if (best < 0 || isBetter(this.#gain(place), this.#gain(best))) best = place;
    }
    return best;
  }

  #gain(place: number): Score {
    return { inside: this.#toChosen[place] ?? 0, left: -(this.#toFree[place] ?? 0) };
  }

  #move(place: number, chosen: boolean): void {
    this.#chosen[place] = chosen;
    this.size += chosen ? 1 : -1;
    const row = this.#affinities[place] ?? [];
    for (let other = 0; other < row.length; other++) {
      const moved = chosen ? (row[other] ?? 0) : -(row[other] ?? 0);
      this.#toChosen[other] = (this.#toChosen[other] ?? 0) + moved;
      this.#toFree[other] = (this.#toFree[other] ?? 0) - moved;
    }
  }
}
