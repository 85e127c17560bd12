// The `gpubroker db` commands: names, arguments, help. What they do is in db-migrations.ts and db-backups.ts.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { exitCodesHelp } from './exit-codes.ts';

/** Which database; the options that every command here shares. */
export interface DbOptions {
  readonly dataDir: string;
  readonly databaseUrl?: string;
  readonly json?: boolean;
}

export interface BackupOptions extends DbOptions {
  readonly output?: string;
  readonly keep?: number;
  readonly keepDays?: number;
  readonly keepArchive?: number;
}

export interface RestoreOptions {
  readonly dataDir: string;
  readonly from?: string;
  readonly until?: Date | 'latest';
  readonly wal?: string;
  readonly json?: boolean;
}

/** As the broker's own option has it. */
const defaultDataFolder = '/var/lib/gpubroker-broker';

/** Adds `gpubroker db …`. `done` receives the exit code of a command that is not simply done. */
export function addDbCommands(program: Command, done: (exitCode: number) => void): void {
  const db = program
    .command('db')
    .helpCommand(false)
    .description("look after the broker's database: schema, backups, restore")
    .addHelpText('after', '\nExample:\n  gpubroker db status');
  addMigrationCommands(db);
  addBackupCommands(db, done);
}

function addMigrationCommands(db: Command): void {
  databaseCommand(db, 'migrate', 'bring the schema up to date', 'gpubroker db migrate').action(
    async (options: DbOptions) => (await import('./db-migrations.ts')).migrateDatabase(options),
  );
  databaseCommand(
    db,
    'rollback',
    'take the last migration back, with what only it can hold',
    'gpubroker db rollback',
  ).action(async (options: DbOptions) => (await import('./db-migrations.ts')).rollbackDatabase(options));
  databaseCommand(db, 'status', 'show each migration and when it was applied', 'gpubroker db status --json').action(
    async (options: DbOptions) => (await import('./db-migrations.ts')).showMigrations(options),
  );
}

function addBackupCommands(db: Command, done: (exitCode: number) => void): void {
  databaseCommand(db, 'backup', 'take a backup while the broker runs, or not', 'gpubroker db backup --keep-days 30')
    .option('--output <folder>', 'where to put it (default: the folder backups in the data folder)')
    .addOption(
      new Option('--keep <number>', 'keep so many backups and remove older ones (default: 7)').argParser(parseCount),
    )
    .addOption(
      new Option('--keep-days <days>', 'keep the backups of so many days instead')
        .argParser(parseCount)
        .conflicts('keep'),
    )
    .addOption(
      new Option(
        '--keep-archive <number>',
        'keep the archive from so many backups on (default: from the oldest that is kept)',
      ).argParser(parseCount),
    )
    .action(async (options: BackupOptions) => (await import('./db-backups.ts')).backUpDatabase(options));
  backupsCommand(db, 'backups', 'list the backups', 'gpubroker db backups').action(async (options: BackupOptions) =>
    (await import('./db-backups.ts')).showBackups(options),
  );
  backupsCommand(
    db,
    'verify <backup>',
    'read a whole backup and check every byte of it',
    'gpubroker db verify latest',
  ).action(async (name: string, options: BackupOptions) =>
    done(await (await import('./db-backups.ts')).verifyDatabaseBackup(name, options)),
  );
  db.command('restore <backup>')
    .description('restore a backup into a new data folder, up to its end or to a later time')
    .requiredOption('--data-dir <folder>', 'new or empty folder, for the broker to start on afterwards')
    .option('--from <folder>', 'folder with the backups, if <backup> is no path')
    .addOption(new Option('--until <time>', 'ISO 8601 time, or latest: all that the archive has').argParser(parseUntil))
    .option('--wal <folder>', 'archive of the write-ahead log (default: that of the backup)')
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      `${exitCodesHelp}\n\nExample:\n  gpubroker db restore /backups/backup-20260102T030405678Z --data-dir /srv/restored --until 2026-01-02T12:00:00Z`,
    )
    .action(async (name: string, options: RestoreOptions) =>
      (await import('./db-backups.ts')).restoreDatabase(name, options),
    );
}

/** A command that talks to a database. */
export function databaseCommand(db: Command, usage: string, description: string, example: string): Command {
  return described(db.command(usage), description, example).addOption(
    new Option(
      '--database-url <url>',
      'the database instead of that of the data folder; with a password, give the variable',
    ).env('GPUBROKER_DATABASE_URL'),
  );
}

/** A command that reads backups alone. */
function backupsCommand(db: Command, usage: string, description: string, example: string): Command {
  return described(db.command(usage), description, example).option(
    '--output <folder>',
    'where they lie (default: the folder backups in the data folder)',
  );
}

function described(command: Command, description: string, example: string): Command {
  return command
    .description(description)
    .addOption(
      new Option('--data-dir <folder>', "the broker's data folder")
        .env('GPUBROKER_DATA_DIR')
        .default(defaultDataFolder),
    )
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${exitCodesHelp}\n\nExample:\n  ${example}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || count > 100_000)
    throw new InvalidArgumentError('Give a number from 1 to 100000.');
  return count;
}

function parseUntil(text: string): Date | 'latest' {
  if (text === 'latest') return text;
  const at = new Date(text);
  // Without a zone it would mean another time on another machine.
  if (Number.isNaN(at.getTime()) || !/(?:Z|[+-]\d\d:?\d\d)$/.test(text)) {
    throw new InvalidArgumentError(
      'Give an ISO 8601 time with its zone, for instance 2026-01-02T12:00:00Z, or latest.',
    );
  }
  return at;
}
