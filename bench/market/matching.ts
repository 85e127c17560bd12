// P4: how fast the book matches with a million orders in it, beside two books of the registry on the same commands.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type BookName, bookNames } from './matching-books.ts';
import type { RunOrder, RunReport } from './matching-run.ts';
import { memoryLatency } from './memory.ts';

const usage = `node bench/market/matching.ts [--quick] [--strict] [--resting N] [--levels LIST] [--no-peers]

Places, cancels and trades orders in one book after the other, each in a process of its own: half of the commands place
an order that rests, two in five cancel one taken at random, one in ten trades. Peers do the first of the same commands,
and what rests then must be the same in every book.

  --resting N    orders that rest; 1,000,000
  --levels LIST  prices of each side; 50,2500,25000
  --no-peers     only our own book
  --strict       fails where the budget is missed: 2 M commands/s, p99 below 10 µs, 20 times nodejs-order-book
  --quick        100,000 orders
`;

const budget = { rate: 2_000_000, p99: 10, times: 20 };
const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    strict: { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
    resting: { type: 'string' },
    levels: { type: 'string', default: '50,2500,25000' },
  },
});
if (given.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const resting = count('resting', given.resting ?? (given.quick ? '100000' : '1000000'));
const common = given.quick ? 10_000 : 100_000;
const missed: string[] = [];

console.log(`${cpus()[0]?.model.trim()} · Node ${process.version} · ${resting.toLocaleString('en')} orders rest`);
console.log(`a look at memory: ${memoryLatency().toFixed(0)} ns before the run`);
console.log(
  'levels | book | commands/s | on the common ones | p50 µs | p99 µs | p99.9 µs | bytes an order | of the process',
);
for (const levels of given.levels.split(',').map((each) => count('levels', each))) {
  const reports = new Map<BookName, RunReport>();
  for (const book of bookNames) {
    const ours = book.startsWith('gpubroker');
    if (!ours && given['no-peers']) continue;
    const report = measure({ book, mixed: false, resting, levels, common, ...further(ours) });
    reports.set(book, report);
    say(String(levels), book, report);
  }
  judge(levels, reports);
}
for (const book of ['gpubroker', 'gpubroker-pro-rata'] as const) {
  say(
    '2500',
    `${book}, orders of all kinds`,
    measure({ book, mixed: true, resting, levels: 2_500, common, ...further(true) }),
  );
}
console.log(`a look at memory: ${memoryLatency().toFixed(0)} ns after the run`);
for (const miss of missed) console.log(`missed: ${miss}`);
if (given.strict && missed.length > 0) process.exitCode = 1;

/** Peers are so much slower that they do fewer. */
function further(ours: boolean): Pick<RunOrder, 'more' | 'timed'> {
  if (given.quick) return { more: ours ? 100_000 : 0, timed: 10_000 };
  return ours ? { more: 2_000_000, timed: 500_000 } : { more: 0, timed: 20_000 };
}

function measure(order: RunOrder): RunReport {
  const script = fileURLToPath(new URL('matching-run.ts', import.meta.url));
  const args = ['--expose-gc', '--max-old-space-size=8192', script, JSON.stringify(order)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
}

function say(levels: string, book: string, { rate, commonRate, p50, p99, p999, bytes, grown }: RunReport): void {
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  const figures = [whole(rate), whole(commonRate), p50.toFixed(2), p99.toFixed(2), p999.toFixed(2)];
  console.log([levels, book, ...figures, bytes?.toFixed(0) ?? '–', grown.toFixed(0)].join(' | '));
}

/** Books that allocate alike must hold the same; ours must keep the budget. */
function judge(levels: number, reports: ReadonlyMap<BookName, RunReport>): void {
  const ours = reports.get('gpubroker') as RunReport;
  for (const [book, { totals }] of reports) {
    // Pro-rata takes from other orders of a level, so that later cancellations find other orders.
    if (book === 'gpubroker-pro-rata' || JSON.stringify(totals) === JSON.stringify(ours.totals)) continue;
    throw new Error(`${book} holds ${JSON.stringify(totals)}, gpubroker ${JSON.stringify(ours.totals)}`);
  }
  for (const book of ['gpubroker', 'gpubroker-pro-rata'] as const) {
    const { rate, p99 } = reports.get(book) as RunReport;
    if (rate < budget.rate) missed.push(`${book}, ${levels} levels: ${Math.round(rate)} commands/s`);
    if (p99 >= budget.p99) missed.push(`${book}, ${levels} levels: p99 ${p99.toFixed(2)} µs`);
  }
  const peer = reports.get('nodejs-order-book');
  if (!peer) return;
  const times = ours.commonRate / peer.commonRate;
  console.log(`${levels} | ${times.toFixed(1)} times nodejs-order-book on the common commands`);
  if (times < budget.times) missed.push(`${levels} levels: ${times.toFixed(1)} times nodejs-order-book`);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: give a whole number above 0`);
  return value;
}
