// Takes a backup of a server that is not ours, with the pg_basebackup of its own version.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { CodedError, messageOf } from '../../../daemon/errors.ts';
import { findProgram, onPath } from '../embedded/programs.ts';
import { backupFailed, programsMissing } from '../errors.ts';
import { syncFolder } from '../sync.ts';
import { listDataFolder } from './data-folder.ts';
import { forEach, storeFile } from './files.ts';
import { type StoredFile, writeManifest } from './manifest.ts';
import { serverIdentity } from './server-identity.ts';
import { firstSegmentOf, idOf, manifestOf, newFolder, type TakenBackup } from './take.ts';

interface ExternalOptions {
  readonly url: string;
  readonly output: string;
  readonly now?: () => Date;
  /** Milliseconds; four hours by default. */
  readonly deadline?: number;
}

/** @throws CodedError GPUB_DATABASE_PROGRAMS_MISSING, GPUB_BACKUP_FAILED */
export async function takeExternalBackup(options: ExternalOptions): Promise<TakenBackup> {
  const { url, output, now = () => new Date(), deadline = 14_400_000 } = options;
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 30_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const server = await serverIdentity(client);
    const program = await baseBackupOf(server.majorVersion);
    const started = now();
    const folder = newFolder(output, idOf(started));
    const plain = join(folder, 'plain');
    await run(program, ['--pgdata', plain, '--wal-method', 'stream', '--checkpoint', 'fast', '--no-password'], {
      environment: connectionEnvironment(client, url),
      deadline,
    });
    const finished = now();
    const { files, folders } = listDataFolder(plain, true);
    const stored: StoredFile[] = [];
    await forEach([...files, 'backup_label'], async (path) => {
      const file = await storeFile(folder, path, join(plain, path));
      if (file) stored.push(file);
    });
    const segments = [firstSegmentOf(readFileSync(join(plain, 'backup_label'), 'utf8'))];
    const id = idOf(started);
    const manifest = manifestOf({
      id,
      kind: 'external',
      started,
      finished,
      server,
      segments,
      archive: '',
      folders,
      stored,
    });
    rmSync(plain, { recursive: true, force: true });
    await writeManifest(folder, manifest);
    syncFolder(output);
    return { folder, manifest };
  } catch (error) {
    throw error instanceof CodedError ? error : backupFailed(messageOf(error));
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** One of another version may refuse, or worse. */
async function baseBackupOf(majorVersion: number): Promise<string> {
  const program = findProgram('pg_basebackup', majorVersion) ?? onPath('pg_basebackup');
  if (!program) throw programsMissing('pg_basebackup', String(majorVersion));
  const version = await run(program, ['--version'], { environment: {}, deadline: 10_000 });
  if (!new RegExp(`\\) ${majorVersion}\\b`).test(version)) throw programsMissing('pg_basebackup', String(majorVersion));
  return program;
}

/** By the environment, for everybody can read the arguments of a process. */
function connectionEnvironment(client: pg.Client, url: string): NodeJS.ProcessEnv {
  const { host, port, user, password } = client as pg.Client & { password?: unknown };
  const mode = /[?&]sslmode=([\w-]+)/.exec(url)?.[1];
  const rootCert = /[?&]sslrootcert=([^&]+)/.exec(url)?.[1];
  return {
    PGHOST: host,
    PGPORT: String(port),
    ...(user && { PGUSER: user }),
    ...(typeof password === 'string' && { PGPASSWORD: password }),
    ...(mode && { PGSSLMODE: mode }),
    ...(rootCert && { PGSSLROOTCERT: decodeURIComponent(rootCert) }),
  };
}

function run(
  program: string,
  args: readonly string[],
  { environment, deadline }: { environment: NodeJS.ProcessEnv; deadline: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { PATH: process.env.PATH, LC_ALL: 'C', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: deadline,
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4000);
      });
    }
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(said) : reject(backupFailed(said.trim() || `${program} failed`)),
    );
  });
}
