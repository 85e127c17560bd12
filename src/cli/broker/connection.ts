// Which broker a command talks to, and as whom: flags, environment, `gpubroker login`, or the broker of this machine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { type Client, createClient } from '../../client/client.ts';
import { messageOf } from '../../daemon/errors.ts';
import { userDataFolder } from '../../daemon/user-paths.ts';
import { notSignedIn, wrongUsage } from '../errors.ts';
import { type Profile, readProfile } from './profile.ts';

export interface ConnectionOptions {
  /** URL of the HTTP API. */
  readonly broker?: string;
  readonly apiKeyFile?: string;
  /** PEM file. */
  readonly ca?: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** What a broker leaves in its data folder for the commands of its machine. */
interface Endpoints {
  readonly http_url: string;
}

const defaultUrl = 'http://127.0.0.1:10355';
/** As in the options of the broker, and of `gpubroker up` for an ordinary user. */
const brokerFolders = () => ['/var/lib/gpubroker-broker', `${userDataFolder()}-broker`];

/** @throws CodedError if nothing says as whom to speak. */
export function connectToBroker(options: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): Client {
  const { url, token, ca } = findBroker(options, environment);
  if (ca !== undefined) trust(ca);
  return createClient({ url, token, timeout: options.timeout });
}

/** The first of: flags, environment, login, the broker of this machine. */
export function findBroker(options: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): Profile {
  const profile = readProfile();
  const url = options.broker ?? environment.GPUBROKER_API_URL;
  const ca = options.ca ?? environment.GPUBROKER_API_CA;
  const token = readKeyFile(options.apiKeyFile) ?? environment.GPUBROKER_API_KEY;
  if (token) return { url: url ?? profile?.url ?? localUrl() ?? defaultUrl, token, ca: ca ?? profile?.ca };
  if (profile && (url === undefined || url === profile.url)) return { ...profile, ca: ca ?? profile.ca };
  const local = brokerFolders()
    .map(localBroker)
    .find((found) => found !== undefined);
  if (local && (url === undefined || url === local.url)) return local;
  throw notSignedIn(url ?? defaultUrl);
}

/** For who has not said which broker: the one that was used last, or that of this machine. */
export function usualUrl(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.GPUBROKER_API_URL ?? readProfile()?.url ?? localUrl() ?? defaultUrl;
}

function localUrl(): string | undefined {
  return brokerFolders()
    .map(endpointsOf)
    .find((found) => found !== undefined)?.http_url;
}

/** Whoever may read the first key of the broker's data folder is its operator. */
function localBroker(folder: string): Profile | undefined {
  const url = endpointsOf(folder)?.http_url;
  const token = textOf(join(folder, 'admin-api-key'));
  return url && token ? { url, token } : undefined;
}

function endpointsOf(folder: string): Endpoints | undefined {
  const text = textOf(join(folder, 'endpoints.json'));
  return text === undefined ? undefined : (JSON.parse(text) as Endpoints);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @throws CodedError if it cannot be read. */
export function readKeyFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw wrongUsage(`--api-key-file: ${messageOf(error)}`);
  }
}

/** The authority counts besides those of the system, for the whole process. */
export function trust(path: string): void {
  try {
    setDefaultCACertificates([...getCACertificates('default'), readFileSync(path, 'utf8')]);
  } catch (error) {
    throw wrongUsage(`--ca: ${messageOf(error)}`);
  }
}
