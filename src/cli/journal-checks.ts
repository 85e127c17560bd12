// `gpubroker journal verify`, `replay`, `snapshots`, `snapshot`, and `gpubroker ledger verify`.
import { formatMoney } from '../api/money.ts';
import { verifyLedger } from '../broker/billing/ledger.ts';
import { replayJournal, snapshotHeads, takeSnapshot, verifyJournal } from '../broker/commit/administration.ts';
import type { DbOptions } from './db.ts';
import { onDatabase } from './db-connection.ts';
import { exitCodes } from './exit-codes.ts';
import type { ReplayArguments } from './journal.ts';
import { formatTable, print, printJson, remark } from './output.ts';

/** Milliseconds between two words about how far it is. */
const pause = 5000;

/** @returns the exit code. */
export async function verifyMarketJournal(options: DbOptions): Promise<number> {
  const watch = new Watch(options);
  const report = await onDatabase(options, ({ db }) => verifyJournal(db, watch.commands));
  const { sound, after, seq, rows, snapshots, hash, wrong, problems } = report;
  if (options.json) printJson({ ...report, seconds: watch.seconds });
  else {
    print(`The journal is ${sound ? 'sound' : 'BROKEN'}: ${count(rows)} commands after ${after}, ${watch.pace(rows)}.`);
    print(`It ends at ${seq} with ${hash}; ${snapshots} snapshots stand in it.`);
    tell(problems, wrong);
  }
  return sound ? exitCodes.ok : exitCodes.failed;
}

/** @returns the exit code. */
export async function replayMarketJournal(options: ReplayArguments): Promise<number> {
  const { from, until } = options;
  const watch = new Watch(options);
  const report = await onDatabase(options, (database) =>
    replayJournal(database, { from, until, onProgress: watch.commands }),
  );
  const { equal, after, seq, commands, snapshots, answers, stateHash, tablesHash, wrong, problems } = report;
  if (options.json) printJson({ ...report, seconds: watch.seconds });
  else {
    const compared = tablesHash === null ? '' : ', the tables';
    print(`Applied ${count(commands)} commands after ${after}, up to ${seq}, ${watch.pace(commands)}.`);
    print(
      `The state is ${stateHash}; ${equal ? 'equal' : 'NOT EQUAL'} to ${snapshots} snapshots, ${answers} answers${compared}.`,
    );
    tell(problems, wrong);
  }
  return equal ? exitCodes.ok : exitCodes.failed;
}

export async function showSnapshots(options: DbOptions): Promise<void> {
  const heads = await onDatabase(options, ({ db }) => snapshotHeads(db));
  const snapshots = heads.map(({ seq, at, bytes, stateHash, journalHash }) => {
    return { seq, at: at.toISOString(), bytes, stateHash, journalHash: journalHash.toString('hex') };
  });
  if (options.json) return printJson({ snapshots });
  const rows = snapshots.map(({ seq, at, bytes, stateHash }) => [String(seq), at, megabytes(bytes), stateHash]);
  print(formatTable([['COMMAND', 'AT', 'STORED', 'STATE'], ...rows]));
}

export async function takeMarketSnapshot(options: DbOptions): Promise<void> {
  const started = performance.now();
  const { isNew, seq, at, bytes, stateHash } = await onDatabase(options, takeSnapshot);
  const seconds = (performance.now() - started) / 1000;
  if (options.json) printJson({ isNew, seq, at: at.toISOString(), bytes, stateHash, seconds });
  else if (isNew) print(`Snapshot at ${seq}: ${megabytes(bytes)}, state ${stateHash}, ${seconds.toFixed(1)} s.`);
  else print(`The snapshot at ${seq} is up to date.`);
}

/** @returns the exit code. */
export async function verifyMarketLedger(options: DbOptions): Promise<number> {
  const watch = new Watch(options);
  const report = await onDatabase(options, ({ db }) => verifyLedger(db, watch.say));
  const { sound, seq, totals, checks } = report;
  if (options.json) printJson({ ...report, seconds: watch.seconds });
  else {
    print(formatTable([['CHECK', 'WRONG'], ...checks.map(({ name, wrong }) => [name, String(wrong)])]));
    for (const { problems, wrong } of checks) tell(problems, wrong);
    const { accounts, transfers, deposited, withdrawn, captured, available, escrow } = totals;
    print(`${count(accounts)} accounts, ${count(transfers)} transfers up to the command ${seq}.`);
    print(
      `In ${usd(deposited)}, out ${usd(withdrawn)}; free ${usd(available)}, held ${usd(escrow)}; paid ${usd(captured)}.`,
    );
    print(`The ledger is ${sound ? 'sound' : 'BROKEN'}.`);
  }
  return sound ? exitCodes.ok : exitCodes.failed;
}

/** Says on standard error how far it is, for people. */
class Watch {
  readonly #isQuiet: boolean;
  readonly #started = performance.now();
  #told = this.#started;

  constructor({ json }: DbOptions) {
    this.#isQuiet = json ?? false;
  }

  readonly commands = (done: number, of: number): void => {
    if (this.#isQuiet || performance.now() - this.#told < pause) return;
    this.#told = performance.now();
    remark(`${count(done)} of ${count(of)} commands, ${this.pace(done)}`);
  };

  readonly say = (what: string): void => {
    if (!this.#isQuiet) remark(`checking that ${what} …`);
  };

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  pace(done: number): string {
    const { seconds } = this;
    return `${seconds.toFixed(1)} s, ${count(Math.round(done / seconds))} a second`;
  }
}

function tell(problems: readonly string[], wrong: number): void {
  for (const problem of problems) print(`  ${problem}`);
  if (wrong > problems.length) print(`  and ${wrong - problems.length} more`);
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Sums may be more than a number holds. */
function usd(micros: string): string {
  const value = Number(micros);
  if (Number.isSafeInteger(value)) return `$${formatMoney(value)}`;
  return `$${micros.slice(0, -6)}.${micros.slice(-6)}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
