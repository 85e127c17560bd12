// Measures one book in a process of its own, so that no book's garbage is another one's. Answers by one line of JSON.
import { quantile } from '../device-api/statistics.ts';
import { type BookName, type MeasuredBook, openBook, type SideTotals } from './matching-books.ts';
import { type Commands, makeScript } from './matching-commands.ts';

/** What a process is asked, as JSON in its first argument. */
export interface RunOrder {
  readonly book: BookName;
  readonly mixed: boolean;
  readonly resting: number;
  readonly levels: number;
  /** That every book does, one after the other without a look at the clock. */
  readonly common: number;
  /** Then so many more likewise. */
  readonly more: number;
  /** Then so many with a look at the clock before and after each. */
  readonly timed: number;
}

export interface RunReport {
  /** Commands a second: the common ones; these and the further ones. */
  readonly commonRate: number;
  readonly rate: number;
  /** Microseconds a command. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** What rests after the common commands: bids, asks. */
  readonly totals: readonly [SideTotals, SideTotals];
  /** For each order that rests: of its arrays; and by how much the process has grown. */
  readonly bytes: number | null;
  readonly grown: number;
  /** What rests at the end, where the book can say. */
  readonly resting: number | null;
}

/** On a small book first, so that no book's commands are counted while the compiler is still at work. */
const warmUp = { resting: 20_000, commands: 200_000, seed: 1 };

const order = JSON.parse(process.argv[2] as string) as RunOrder;
const script = makeScript({ ...order, commands: order.common + order.more + order.timed, seed: 20_261 });
const small = makeScript({ ...order, ...warmUp });
const other = openBook(order.book, small.ids);
run(other, small.load, 0, small.load.count);
run(other, small.commands, 0, small.commands.count);
const before = residentBytes();
const book = openBook(order.book, script.ids);
run(book, script.load, 0, script.load.count);
const grown = (residentBytes() - before) / order.resting;

const common = run(book, script.commands, 0, order.common);
const totals = [book.totals(0), book.totals(1)] as const;
const more = run(book, script.commands, order.common, order.common + order.more);
const times = runTimed(script.commands, order.common + order.more, script.commands.count);
const resting = book.resting() ?? null;
const bytes = book.bytes();
const report: RunReport = {
  commonRate: order.common / common,
  rate: (order.common + order.more) / (common + more),
  p50: quantile(times, 0.5) * 1e3,
  p99: quantile(times, 0.99) * 1e3,
  p999: quantile(times, 0.999) * 1e3,
  max: (times.at(-1) ?? 0) * 1e3,
  totals,
  bytes: bytes === undefined ? null : bytes / (resting ?? order.resting),
  grown,
  resting,
};
console.log(JSON.stringify(report));

/** @returns seconds */
function run(book: MeasuredBook, commands: Commands, from: number, to: number): number {
  const started = performance.now();
  for (let at = from; at < to; at++) book.do(commands, at);
  return (performance.now() - started) / 1e3;
}

/** @returns milliseconds of each, sorted */
function runTimed(commands: Commands, from: number, to: number): number[] {
  const times = new Float64Array(to - from);
  for (let at = from; at < to; at++) {
    const started = performance.now();
    book.do(commands, at);
    times[at - from] = performance.now() - started;
  }
  return [...times.sort()];
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}
