// Which broker a command talks to, and as whom: flags, environment, `gpubroker login`, or the broker of this machine.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
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

/** @throws CodedError if nothing says as whom to speak, or what says so is wrong. */
export function connectToBroker(options: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): Client {
  const { url, token, ca } = findBroker(options, environment);
  if (ca !== undefined) trust(ca);
  return createClient({ url, token, timeout: options.timeout });
}

/** The first of: flags, environment, login, the broker of this machine. */
export function findBroker(options: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): Profile {
  const profile = readProfile();
  const url = saidUrl(options, environment);
  const ca = saidCa(options, environment);
  const token = readKeyFile(options.apiKeyFile) ?? environment.GPUBROKER_API_KEY;
  if (token) {
    const to = url ?? profile?.url ?? localUrl() ?? defaultUrl;
    return { url: to, token, ca: ca ?? (to === profile?.url ? profile.ca : undefined) };
  }
  if (profile && (url === undefined || url === profile.url)) return { ...profile, ca: ca ?? profile.ca };
  const local = brokerFolders()
    .map(localBroker)
    .find((found) => found !== undefined);
  if (local && (url === undefined || url === local.url)) return { ...local, ca };
  throw notSignedIn(url ?? profile?.url ?? localUrl() ?? defaultUrl);
}

/** For who has not said which broker: the one that was used last, or that of this machine. */
export function usualUrl(options: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): string {
  return saidUrl(options, environment) ?? readProfile()?.url ?? localUrl() ?? defaultUrl;
}

/** What flags or the environment say, without the slash at its end. @throws CodedError if it is no URL of HTTP */
function saidUrl({ broker }: ConnectionOptions, environment: NodeJS.ProcessEnv): string | undefined {
  const said = broker ?? environment.GPUBROKER_API_URL;
  if (said === undefined || (broker === undefined && said === '')) return undefined;
  const source = broker === undefined ? '$GPUBROKER_API_URL' : '--broker';
  const { protocol = '', username = '' } = URL.parse(said) ?? {};
  if (username !== '') throw wrongUsage(`${source}: a URL holds no user name or password here; use an API key`);
  if (!/^https?:$/.test(protocol)) {
    throw wrongUsage(`${source}: ${said} is no URL; give one like https://broker.example:10355`);
  }
  return said.replace(/\/+$/, '');
}

/** The authority that flags or the environment name, as an absolute path. */
export function saidCa({ ca }: ConnectionOptions, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const said = ca ?? environment.GPUBROKER_API_CA;
  return said ? resolve(said) : undefined;
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
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text) as Partial<Endpoints> | null;
    return typeof found?.http_url === 'string' ? { http_url: found.http_url } : undefined;
  } catch {
    return undefined;
  }
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
  const key = readGiven(path);
  // Anything else would make a header that cannot be sent.
  if (!/^[\x21-\x7e]{1,1000}$/.test(key)) throw wrongUsage(`--api-key-file: ${path} holds no API key`);
  return key;
}

function readGiven(path: string): string {
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
