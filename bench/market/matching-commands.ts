// The orders that a matching benchmark gives to every book: the same for all, from a seed.

/** What an order wants or offers besides price and quantity; `columns` of the book's orders. */
const termColumns = ['region', 'duration', 'score', 'label', 'placement', 'minimum', 'allOrNone'] as const;
type Terms = Record<(typeof termColumns)[number], number>;

/** Columns of commands, in order. Ids count from 0, in the order in which orders are placed. */
export interface Commands {
  readonly count: number;
  /** 1: cancels an order, which may have been filled; 0: places one. */
  readonly cancel: Uint8Array;
  readonly id: Int32Array;
  /** 0 bid, 1 ask. */
  readonly side: Uint8Array;
  /** Ticks. */
  readonly price: Int32Array;
  readonly quantity: Int32Array;
  readonly terms: Record<keyof Terms, Int32Array>;
}

export interface Script {
  /** Places what rests before anything is measured. */
  readonly load: Commands;
  /** Then half are orders that rest, two in five cancel an order taken at random, one in ten trades. */
  readonly commands: Commands;
  /** One more than the highest id. */
  readonly ids: number;
}

export interface ScriptOptions {
  /** Orders that rest at the start, half of them on each side. */
  readonly resting: number;
  /** Prices of each side. */
  readonly levels: number;
  readonly commands: number;
  /** Orders with terms of all kinds, which only our own book knows. */
  readonly mixed: boolean;
  readonly seed: number;
}

/** Asks begin one tick above, bids one below. */
const middle = 50_000;

/** Numbers from 0 to 1 that follow from a seed: the generator mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function makeScript({ resting, levels, commands, mixed, seed }: ScriptOptions): Script {
  const next = random(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  /** Ids that were not cancelled yet. */
  const live: number[] = [];
  let ids = 0;
  const place = (columns: Commands, at: number, crossing: boolean) => {
    const side = below(2);
    // One that trades would take any price of the other side.
    const distance = crossing ? -levels : 1 + below(levels);
    columns.id[at] = ids;
    columns.side[at] = side;
    columns.price[at] = middle + (side === 1 ? distance : -distance);
    columns.quantity[at] = 1 + below(8);
    const terms = mixed ? mixedTerms(side, below) : plainTerms(side);
    for (const column of termColumns) columns.terms[column][at] = terms[column];
    if (!crossing) live.push(ids);
    ids += 1;
  };
  const load = emptyCommands(resting);
  for (let at = 0; at < resting; at++) place(load, at, false);
  const measured = emptyCommands(commands);
  for (let at = 0; at < commands; at++) {
    const kind = next();
    if (kind < 0.6) {
      place(measured, at, kind >= 0.5);
      continue;
    }
    const which = below(live.length);
    measured.cancel[at] = 1;
    measured.id[at] = live[which] as number;
    live[which] = live.at(-1) as number;
    live.pop();
  }
  return { load, commands: measured, ids };
}

function plainTerms(side: number): Terms {
  return { region: side, duration: 24, score: 0, label: 1, placement: 0, minimum: 1, allOrNone: 0 };
}

/** Five regions, three labels, any score, mostly the usual durations; three bids in ten want GPUs together or at once. */
function mixedTerms(side: number, below: (limit: number) => number): Terms {
  const usual = [24, 168, 720, 2160][below(4)] as number;
  const duration = below(5) === 0 ? 1 + below(8760) : usual;
  const terms = { ...plainTerms(side), region: 1 + below(5), duration, score: below(101), label: 1 + below(3) };
  if (side === 1) return terms;
  const wants = below(20);
  return {
    ...terms,
    region: below(3) === 0 ? terms.region : 0,
    duration: Math.ceil(duration / 4),
    score: below(3) === 0 ? terms.score : 0,
    label: below(3) === 0 ? terms.label : 0,
    placement: wants < 3 ? 1 : wants < 4 ? 2 : 0,
    minimum: wants === 4 ? 4 : 1,
    allOrNone: wants === 5 ? 1 : 0,
  };
}

function emptyCommands(count: number): Commands {
  const terms = Object.fromEntries(termColumns.map((column) => [column, new Int32Array(count)]));
  return {
    count,
    cancel: new Uint8Array(count),
    id: new Int32Array(count),
    side: new Uint8Array(count),
    price: new Int32Array(count),
    quantity: new Int32Array(count),
    terms: terms as Commands['terms'],
  };
}
