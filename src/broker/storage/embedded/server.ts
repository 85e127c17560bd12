// A PostgreSQL server of our own: made in the data folder, listening on a Unix socket alone, stopped with us.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { messageOf } from '../../../daemon/errors.ts';
import { folderVersion, serverFailed } from '../errors.ts';
import { syncTree } from '../sync.ts';
import type { PostgresBinaries } from './binaries.ts';
import { stopOrphan } from './orphan.ts';
import { configurationText, type Settings } from './settings.ts';

export interface EmbeddedOptions {
  readonly binaries: PostgresBinaries;
  /** PostgreSQL's data folder. */
  readonly dataFolder: string;
  /** Where its socket lies: short, for a path of more than 107 bytes fails. */
  readonly socketFolder: string;
  /** The user that PostgreSQL runs as, where this process is root; PostgreSQL refuses root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Further lines of postgresql.conf, each value as it is written there. */
  readonly settings?: Settings;
  /** Milliseconds; also for what a crash left to be repaired. */
  readonly startTimeout?: number;
  /** Gives up the wait for the server. */
  readonly abort?: AbortSignal | undefined;
  /** Called with every line that the server writes to its log. */
  readonly onLog?: (line: string) => void;
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

/** Milliseconds. Repairs are not cut short: the next start would have to begin them again. */
const usualStartTimeout = 600_000;

/** Milliseconds for a fast shutdown, and then for one that leaves repairs to the next start. */
const stopTimeouts = { fast: 30_000, immediate: 10_000 };

/** The lines of the log that an error shows. */
const shownLines = 5;

/**
 * Starts the server; makes its data folder first where there is none, and stops a server that was left running there.
 * @throws CodedError GPUB_DATABASE_FOLDER_VERSION, GPUB_DATABASE_START_FAILED, GPUB_DATABASE_ORPHAN
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { dataFolder, socketFolder, user } = options;
  if (!existsSync(join(dataFolder, 'PG_VERSION'))) await initialise(options);
  refuseOtherVersion(options);
  await stopOrphan(dataFolder);
  mkdirSync(socketFolder, { recursive: true, mode: 0o700 });
  if (user) chownSync(socketFolder, user.uid, user.gid);
  writeAnew(join(dataFolder, 'gpubroker.conf'), configurationText(socketFolder, options.settings));
  const deadline = performance.now() + (options.startTimeout ?? usualStartTimeout);
  for (;;) {
    try {
      return await startOnce(options, deadline);
    } catch (error) {
      // Left by a server that was killed, while the last of its processes end.
      if (!messageOf(error).includes('still in use') || performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

async function startOnce(options: EmbeddedOptions, deadline: number): Promise<EmbeddedServer> {
  const { child, lastLines } = spawnServer(options);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = () => stopChild(child, ended);
  try {
    const url = await accepting(child, options, deadline);
    return { url, pid: child.pid ?? 0, ended, stop };
  } catch (error) {
    await stop();
    options.abort?.throwIfAborted();
    throw serverFailed(lastLines().join(' | ') || messageOf(error));
  }
}

/** The folder is the server's: what it may have put there under this name is not followed. */
function writeAnew(file: string, text: string): void {
  rmSync(file, { force: true });
  writeFileSync(file, text, { flag: 'wx', mode: 0o644 });
}

/** The URL of a database behind the socket in a folder. */
export function socketUrl(socketFolder: string, database = 'gpubroker'): string {
  return `postgres://gpubroker@/${database}?host=${encodeURIComponent(socketFolder)}`;
}

/** Made beside its place, so that a start that is cut short leaves no half of it. */
async function initialise({ binaries, dataFolder, user }: EmbeddedOptions): Promise<void> {
  const unfinished = `${dataFolder}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  chmodSync(unfinished, 0o700);
  if (user) chownSync(unfinished, user.uid, user.gid);
  const args = [
    '-D',
    unfinished,
    '-U',
    'gpubroker',
    '--auth=trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--data-checksums',
    '--no-sync',
  ];
  const { status, stderr, error } = spawnSync(binaries.initdb, args, {
    encoding: 'utf8',
    env: { TZ: 'UTC', PATH: process.env.PATH },
    cwd: '/',
    timeout: 120_000,
    ...user,
  });
  if (status !== 0) throw serverFailed(`initdb: ${error?.message ?? stderr.trim().replaceAll(/\s*\n\s*/g, ' | ')}`);
  configureFolder(unfinished);
  await syncTree(unfinished);
  if (existsSync(dataFolder)) rmSync(dataFolder, { recursive: true });
  renameSync(unfinished, dataFolder);
}

/** Our settings alone count. */
export function configureFolder(dataFolder: string): void {
  writeFileSync(join(dataFolder, 'postgresql.auto.conf'), '');
  writeFileSync(join(dataFolder, 'postgresql.conf'), "include = 'gpubroker.conf'\n");
}

function refuseOtherVersion({ binaries, dataFolder, user }: EmbeddedOptions): void {
  const found = readFileSync(join(dataFolder, 'PG_VERSION'), 'utf8').trim();
  const { stdout } = spawnSync(binaries.postgres, ['--version'], {
    encoding: 'utf8',
    cwd: '/',
    timeout: 20_000,
    ...user,
  });
  const wanted = /\(PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1] ?? '';
  if (found !== wanted) throw folderVersion(dataFolder, found, wanted);
}

function spawnServer({ binaries, dataFolder, user, onLog }: EmbeddedOptions) {
  const child = spawn(binaries.postgres, ['-D', dataFolder], {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: '/',
    // For archive_command. Nothing else of ours is the server's business.
    env: { PATH: process.env.PATH, TZ: 'UTC', LC_ALL: 'C' },
    // A group of its own: Ctrl-C at the terminal is for the broker, which stops the server last.
    detached: true,
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > shownLines) lines.shift();
    onLog?.(line);
  });
  return { child, lastLines: () => lines };
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  const signals = [
    ['SIGINT', stopTimeouts.fast],
    ['SIGQUIT', stopTimeouts.immediate],
  ] as const;
  for (const [signal, timeout] of signals) {
    child.kill(signal);
    if (await within(ended, timeout)) return;
  }
  child.kill('SIGKILL');
  await within(ended, stopTimeouts.immediate);
}

async function within(ended: Promise<void>, timeout: number): Promise<boolean> {
  const over = new AbortController();
  const late = sleep(timeout, false, { signal: over.signal }).catch(() => false);
  try {
    return await Promise.race([ended.then(() => true), late]);
  } finally {
    over.abort();
  }
}

/** Waits until the server takes connections and has ended its recovery; makes the database `gpubroker`. */
async function accepting(
  child: ChildProcess,
  { socketFolder, abort }: EmbeddedOptions,
  deadline: number,
): Promise<string> {
  for (;;) {
    abort?.throwIfAborted();
    const client = new pg.Client({
      connectionString: socketUrl(socketFolder, 'postgres'),
      connectionTimeoutMillis: 5000,
      query_timeout: 30_000,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query("select from pg_database where datname = 'gpubroker'");
      if (rowCount === 0) await client.query('create database gpubroker');
      return socketUrl(socketFolder);
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) throw error;
      if (performance.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
