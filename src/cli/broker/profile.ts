// What `gpubroker login` keeps: which broker, and the token of the session.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Profile {
  /** Of the HTTP API. */
  readonly url: string;
  readonly token: string;
  /** PEM file of the authority that signed the broker's certificate. */
  readonly ca?: string | undefined;
  /** ISO 8601; absent for an API key, which may have none. */
  readonly expiresAt?: string | undefined;
}

/** Where it lies; only its owner can read it. */
export function profilePath(environment: NodeJS.ProcessEnv = process.env): string {
  const folder = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config');
  return join(folder, 'gpubroker', 'login.json');
}

/** Undefined where nobody is signed in. A file that is not ours to read, or is garbled, counts as none. */
export function readProfile(path = profilePath()): Profile | undefined {
  try {
    const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<Profile> | null;
    if (typeof found?.url !== 'string' || typeof found.token !== 'string') return undefined;
    return { url: found.url, token: found.token, ca: found.ca, expiresAt: found.expiresAt };
  } catch {
    return undefined;
  }
}

/** Replaces the file as a whole. */
export function writeProfile(profile: Profile, path = profilePath()): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}

export function removeProfile(path = profilePath()): void {
  rmSync(path, { force: true });
}
