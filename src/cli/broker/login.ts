// `gpubroker login`, `logout` and `whoami`.
import { createClient } from '../../client/client.ts';
import { oneLine } from '../output.ts';
import { signInByBrowser } from './browser-sign-in.ts';
import { readKeyFile, saidCa, trust, usualUrl } from './connection.ts';
import { readPassword, readPasswordChange } from './password.ts';
import { type Profile, profilePath, readProfile, removeProfile, writeProfile } from './profile.ts';
import { type BrokerOptions, explained, withBroker } from './run.ts';
import { showDone, showOne } from './show.ts';

export interface LoginOptions extends BrokerOptions {
  readonly email?: string;
}

/** Signs in, and keeps the token in a file that nobody else can read. */
export async function login(options: LoginOptions): Promise<void> {
  const url = usualUrl(options);
  const known = readProfile();
  const ca = saidCa(options) ?? (known?.url === url ? known.ca : undefined);
  if (ca !== undefined) trust(ca);
  const { token, expiresAt } = await explained(() => tokenFor(url, options));
  const client = createClient({ url, token, timeout: options.timeout });
  // A key that is not good must not be kept.
  const me = await explained(() => client.call('GET /auth/me', {}));
  writeProfile({ url, token, ca, expiresAt });
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
  const password = await readPassword(oneLine(`Password of ${options.email} at ${url}: `));
  const session = await client.call('POST /auth/login', { body: { email: options.email, password } });
  return { token: session.access_token, expiresAt: session.expires_at };
}

/** Ends the session at the broker too, if that can be reached. */
export async function logout(options: BrokerOptions): Promise<void> {
  const profile = readProfile();
  removeProfile();
  if (!profile) return showDone({ success: true }, 'Nobody was signed in.', options.json ?? false);
  const ended = await endSession(profile, options.timeout);
  const said = {
    ended: 'Signed out.',
    key: 'Signed out here; the API key stays good: `gpubroker keys revoke` ends it.',
    untold: 'Signed out here; the broker was not told, so the session lasts until it expires.',
  }[ended];
  showDone({ success: true, session_ended: ended === 'ended' }, said, options.json ?? false);
}

/** Whether the session was ended; an API key has none. */
async function endSession(
  { url, token, ca, expiresAt }: Profile,
  timeout: number,
): Promise<'ended' | 'key' | 'untold'> {
  if (expiresAt === undefined) return 'key';
  try {
    if (ca !== undefined) trust(ca);
    await createClient({ url, token, timeout }).call('POST /auth/logout', {});
    return 'ended';
  } catch {
    return 'untold';
  }
}

/** Sets a password of one's own; other sessions end. */
export function changePassword(options: BrokerOptions): Promise<void> {
  return withBroker(options, async (client, json) => {
    const { current, wanted } = await readPasswordChange();
    const body = { current_password: current, new_password: wanted };
    const answer = await client.call('PUT /auth/password', { body });
    showDone(answer, 'Changed the password; other sessions have ended.', json);
  });
}

export function whoami(options: BrokerOptions): Promise<void> {
  return withBroker(options, async (client, json) => {
    const { user, account, credential } = await client.call('GET /auth/me', {});
    const { kind, scopes } = credential;
    const shown = { email: user.email, role: user.role, account: account.name, by: kind, scopes: scopes.join(', ') };
    showOne(json ? { user, account, credential } : shown, json);
  });
}
