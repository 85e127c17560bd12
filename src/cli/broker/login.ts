// `gpubroker login`, `logout` and `whoami`.
import { hostname } from 'node:os';
import { createClient } from '../../client/client.ts';
import { signInByBrowser } from './browser-sign-in.ts';
import { readKeyFile, trust, usualUrl } from './connection.ts';
import { readPassword } from './password.ts';
import { profilePath, readProfile, removeProfile, writeProfile } from './profile.ts';
import { type BrokerOptions, explained, withBroker } from './run.ts';
import { showDone, showOne } from './show.ts';

export interface LoginOptions extends BrokerOptions {
  readonly email?: string;
  readonly oidc?: boolean;
}

/** Signs in, and keeps the token in a file that nobody else can read. */
export async function login(options: LoginOptions): Promise<void> {
  const url = options.broker ?? usualUrl();
  if (options.ca !== undefined) trust(options.ca);
  const { token, expiresAt } = await explained(() => tokenFor(url, options));
  const client = createClient({ url, token, timeout: options.timeout });
  // A key that is not good must not be kept.
  const me = await explained(() => client.call('GET /auth/me', {}));
  writeProfile({ url, token, ca: options.ca, expiresAt });
  const said = `Signed in to ${url} as ${me.user.email} (${me.user.role}); kept in ${profilePath()}.`;
  showDone({ url, user: me.user, expires_at: expiresAt ?? null }, said, options.json ?? false);
}

async function tokenFor(url: string, options: LoginOptions): Promise<{ token: string; expiresAt?: string }> {
  const key = readKeyFile(options.apiKeyFile);
  if (key !== undefined) return { token: key };
  const client = createClient({ url, timeout: options.timeout });
  if (options.email === undefined) {
    const session = await signInByBrowser(client, url);
    return { token: session.access_token, expiresAt: session.expires_at };
  }
  const password = await readPassword(`Password of ${options.email} at ${url}: `);
  const session = await client.call('POST /auth/login', { body: { email: options.email, password } });
  return { token: session.access_token, expiresAt: session.expires_at };
}

/** Ends the session at the broker too, if that can be reached. */
export async function logout(options: BrokerOptions): Promise<void> {
  const profile = readProfile();
  removeProfile();
  if (!profile) return showDone({ success: true }, 'Nobody was signed in.', options.json ?? false);
  const client = createClient({ url: profile.url, token: profile.token, timeout: options.timeout });
  const ended = await client.call('POST /auth/logout', {}).then(
    () => true,
    () => false,
  );
  const said = ended
    ? 'Signed out.'
    : 'Signed out here; the broker was not told, so the session lasts until it expires.';
  showDone({ success: true, session_ended: ended }, said, options.json ?? false);
}

export function whoami(options: BrokerOptions): Promise<void> {
  return withBroker(options, async (client, json) => {
    const { user, account, credential } = await client.call('GET /auth/me', {});
    const { kind, scopes } = credential;
    const shown = { email: user.email, role: user.role, account: account.name, by: kind, scopes: scopes.join(', ') };
    showOne(json ? { user, account, credential } : { ...shown, machine: hostname() }, json);
  });
}
