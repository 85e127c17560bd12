// Signs in through a browser, at the issuer that the broker trusts: the browser comes back to a port of this machine
// with a code that is worth nothing without the secret that stays here.
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { SessionView } from '../../api/identity.ts';
import { type Client, problemOf } from '../../client/client.ts';
import { BrokerUnreachable, reasonOf } from '../../client/problem.ts';
import { wrongUsage } from '../errors.ts';
import { remark } from '../output.ts';

/** How long somebody may take, in milliseconds. */
const usualPatience = 5 * 60_000;

/** @throws CodedError when nobody came back in time, or the issuer said no. */
export async function signInByBrowser(client: Client, url: string, patience = usualPatience): Promise<SessionView> {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const { redirect, code, close } = await listenForCode(patience);
  try {
    const query = new URLSearchParams({ cli_redirect: redirect, challenge });
    const start = `${url}/api/v2/auth/oidc/start?${query}`;
    await checkIssuer(url, start);
    remark('Open this in a browser:');
    remark(start);
    return await client.call('POST /auth/oidc/exchange', { body: { code: await code, verifier } });
  } finally {
    close();
  }
}

/** Whether there is somewhere to sign in: a browser would only show somebody that there is not. */
async function checkIssuer(url: string, start: string): Promise<void> {
  const reply = await fetch(start, { redirect: 'manual', signal: AbortSignal.timeout(10_000) }).catch(
    (error: unknown) => {
      throw new BrokerUnreachable(url, reasonOf(error), error);
    },
  );
  if (reply.status === 404) throw wrongUsage(`${url} has no OIDC issuer: give --email, or --api-key-file`);
  if (reply.status >= 400) throw await problemOf(reply);
  await reply.body?.cancel();
}

/** Takes one request on a free port of this machine. */
async function listenForCode(
  patience: number,
): Promise<{ redirect: string; code: Promise<string>; close: () => void }> {
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
  const late = setTimeout(() => reject(wrongUsage('nobody signed in within the time for it')), patience);
  const close = () => {
    clearTimeout(late);
    server.closeAllConnections();
    server.close();
  };
  return { redirect: `http://127.0.0.1:${port}/callback`, code, close };
}
