// The `gpubroker journal` and `gpubroker ledger` commands: names, arguments, help. What they do is in journal-checks.ts.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type DbOptions, databaseCommand } from './db.ts';

export interface ReplayArguments extends DbOptions {
  readonly from: 'oldest' | 'newest' | number;
  readonly until?: number;
}

/** Adds them. `done` receives the exit code of a command that is not simply done. */
export function addJournalCommands(program: Command, done: (exitCode: number) => void): void {
  const file = () => import('./journal-checks.ts');
  const journal = program
    .command('journal')
    .helpCommand(false)
    .description("check the market's journal in the database, apply it again, take snapshots of its state")
    .addHelpText('after', '\nExample:\n  gpubroker journal verify');
  databaseCommand(
    journal,
    'verify',
    'follow the chain of hashes over every command that is kept',
    'gpubroker journal verify --json',
  ).action(async (options: DbOptions) => done(await (await file()).verifyMarketJournal(options)));
  databaseCommand(
    journal,
    'replay',
    'apply the commands again and compare the state with the tables and with snapshots',
    'gpubroker journal replay --from newest',
  )
    .addOption(
      new Option(
        '--from <place>',
        'begin at the oldest state that is kept, at the newest snapshot, or at one up to a command',
      )
        .default('oldest')
        .argParser(parseFrom),
    )
    .addOption(
      new Option('--until <seq>', 'end after this command; the tables, which are further, are not compared').argParser(
        parseSeq,
      ),
    )
    .action(async (options: ReplayArguments) => done(await (await file()).replayMarketJournal(options)));
  databaseCommand(journal, 'snapshots', 'list the snapshots of the state', 'gpubroker journal snapshots').action(
    async (options: DbOptions) => (await file()).showSnapshots(options),
  );
  databaseCommand(
    journal,
    'snapshot',
    'take a snapshot of the state, from which a replay can begin',
    'gpubroker journal snapshot',
  ).action(async (options: DbOptions) => (await file()).takeMarketSnapshot(options));
  addLedgerCommands(program, done);
}

function addLedgerCommands(program: Command, done: (exitCode: number) => void): void {
  const ledger = program
    .command('ledger')
    .helpCommand(false)
    .description("check the market's money in the database")
    .addHelpText('after', '\nExample:\n  gpubroker ledger verify');
  databaseCommand(
    ledger,
    'verify',
    'compare balances, transfers, open orders and trades with each other',
    'gpubroker ledger verify --json',
  ).action(async (options: DbOptions) => done(await (await import('./journal-checks.ts')).verifyMarketLedger(options)));
}

function parseFrom(text: string): ReplayArguments['from'] {
  return text === 'oldest' || text === 'newest' ? text : parseSeq(text);
}

function parseSeq(text: string): number {
  const seq = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(seq)) {
    throw new InvalidArgumentError('Give the number of a command of the journal.');
  }
  return seq;
}
