// The one process that owns a data folder's database: on record in database.json there, with the URL for others.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folderInUse } from '../errors.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts';

/** What database.json says. */
export interface FolderOwner extends ProcessIdentity {
  /** Of the database, which is not there before the server has started. */
  readonly url: string;
}

/** The record of the folder's owner. */
export function ownerFile(dataFolder: string): string {
  return join(dataFolder, 'database.json');
}

/** The process that owns the folder now, if one lives. */
export function ownerOf(dataFolder: string): FolderOwner | undefined {
  const owner = parse(read(ownerFile(dataFolder)));
  return owner && isAlive(owner) ? owner : undefined;
}

/**
 * Makes this process the owner.
 * @returns the function that gives the folder back.
 * @throws CodedError GPUB_DATABASE_FOLDER_IN_USE
 */
export function ownFolder(dataFolder: string, url: string): () => void {
  const file = ownerFile(dataFolder);
  const text = JSON.stringify({ ...ownIdentity(), url } satisfies FolderOwner);
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    while (!tryLink(draft, file)) removeDead(dataFolder, file);
  } finally {
    rmSync(draft, { force: true });
  }
  return () => {
    if (read(file) === text) rmSync(file, { force: true });
  };
}

/** A link is made by one process only. */
function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Moves the record of a dead owner away; of a living one, which another process has just put there, puts it back. */
function removeDead(dataFolder: string, file: string): void {
  const owner = ownerOf(dataFolder);
  if (owner) throw folderInUse(dataFolder, owner.pid);
  const aside = `${file}.${process.pid}.dead`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = parse(read(aside));
  if (moved && isAlive(moved)) tryLink(aside, file);
  rmSync(aside, { force: true });
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A record that a full disk cut short is nobody's. */
function parse(text: string | undefined): FolderOwner | undefined {
  try {
    const found = JSON.parse(text ?? '') as Partial<FolderOwner>;
    return typeof found.pid === 'number' && typeof found.url === 'string' ? (found as FolderOwner) : undefined;
  } catch {
    return undefined;
  }
}
