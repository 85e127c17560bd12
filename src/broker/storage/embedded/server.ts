// A PostgreSQL server of our own: made in the data folder, listening on a Unix socket alone, stopped with us.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { PostgresBinaries } from './binaries.ts';

export interface EmbeddedOptions {
  readonly binaries: PostgresBinaries;
  /** PostgreSQL's data folder. */
  readonly dataFolder: string;
  /** Where its socket lies: short, for a path of more than 107 bytes fails. */
  readonly socketFolder: string;
  /** The user that PostgreSQL runs as, where this process is root; PostgreSQL refuses root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Further lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly startTimeout?: number;
}

/** A server that accepts connections. */
export interface EmbeddedServer {
  /** Of the database `gpubroker`. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the process has ended, asked or not. */
  readonly ended: Promise<void>;
  /** A fast shutdown: connections are cut, everything committed is kept. */
  stop(): Promise<void>;
}

/** Starts the server; makes its data folder first where there is none. */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { dataFolder, socketFolder, user } = options;
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) initialise(options);
  mkdirSync(socketFolder, { recursive: true, mode: 0o700 });
  if (user) chownSync(socketFolder, user.uid, user.gid);
  const settings = Object.entries({
    listen_addresses: "''",
    unix_socket_directories: `'${socketFolder}'`,
    max_connections: '50',
    shared_buffers: "'256MB'",
    ...options.settings,
  });
  writeFileSync(join(dataFolder, 'gpubroker.conf'), settings.map(([name, value]) => `${name} = ${value}\n`).join(''));
  const child = spawn(options.binaries.postgres, ['-D', dataFolder], {
    stdio: ['ignore', 'ignore', 'ignore'],
    ...user,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await accepting(child, socketFolder, options.startTimeout ?? 60_000);
  return {
    url,
    pid: child.pid ?? 0,
    ended,
    stop: async () => {
      child.kill('SIGINT');
      await ended;
    },
  };
}

function initialise({ binaries, dataFolder, user }: EmbeddedOptions): void {
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  chmodSync(dataFolder, 0o700);
  if (user) chownSync(dataFolder, user.uid, user.gid);
  const args = ['-D', dataFolder, '-U', 'gpubroker', '--auth=trust', '-E', 'UTF8', '--locale=C', '--data-checksums'];
  const { status, stderr } = spawnSync(binaries.initdb, args, { encoding: 'utf8', env: { TZ: 'UTC' }, ...user });
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`);
  writeFileSync(join(dataFolder, 'postgresql.auto.conf'), '');
  writeFileSync(join(dataFolder, 'postgresql.conf'), "include = 'gpubroker.conf'\n");
}

/** Waits until the server takes connections; makes the database `gpubroker`. */
async function accepting(child: ChildProcess, socketFolder: string, timeout: number): Promise<string> {
  const urlOf = (database: string) => `postgres://gpubroker@/${database}?host=${encodeURIComponent(socketFolder)}`;
  const deadline = performance.now() + timeout;
  for (;;) {
    const client = new pg.Client({ connectionString: urlOf('postgres') });
    try {
      await client.connect();
      const { rowCount } = await client.query("select from pg_database where datname = 'gpubroker'");
      if (rowCount === 0) await client.query('create database gpubroker');
      return urlOf('gpubroker');
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
