// Signs in through a browser, at the issuer that the broker trusts: the browser comes back to a port of this machine
// with a code that is worth nothing without the secret that stays here.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { SessionView } from '../../api/identity.ts';
import type { Client } from '../../client/client.ts';
import { wrongUsage } from '../errors.ts';
import { remark } from '../output.ts';

const patienceMs = 5 * 60_000;

/** @throws CodedError when nobody came back in time, or the issuer said no. */
export async function signInByBrowser(client: Client, url: string): Promise<SessionView> {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const { redirect, code, close } = await listenForCode();
  try {
    const query = new URLSearchParams({ cli_redirect: redirect, challenge });
    remark(`Open this in a browser:\n${url.replace(/\/+$/, '')}/api/v2/auth/oidc/start?${query}`);
    return await client.call('POST /auth/oidc/exchange', { body: { code: await code, verifier } });
  } finally {
    close();
  }
}

/** Takes one request on a free port of this machine. */
async function listenForCode(): Promise<{ redirect: string; code: Promise<string>; close: () => void }> {
  const { promise: code, resolve, reject } = Promise.withResolvers<string>();
  code.catch(() => undefined);
  const server = createServer((request, response) => {
    const found = URL.parse(request.url ?? '/', 'http://local')?.searchParams.get('code');
    response.writeHead(found ? 200 : 400, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(found ? 'Signed in; this page can be closed.\n' : 'There is no code here.\n');
    if (found) resolve(found);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', failed);
    server.listen(0, '127.0.0.1', listening);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const late = setTimeout(() => reject(wrongUsage('nobody signed in within five minutes')), patienceMs);
  const close = () => {
    clearTimeout(late);
    server.closeAllConnections();
    server.close();
  };
  return { redirect: `http://127.0.0.1:${port}/callback`, code, close };
}
