// Routes of signing in at an OIDC issuer.
import { Type } from 'typebox';
import { OidcExchange, OidcStartQuery, SessionView } from '../../../../api/identity.ts';
import type { Oidc } from '../../../identity/oidc.ts';
import { Refusal } from '../../../refusal.ts';
import type { ApiServer } from '../app.ts';

const tags = ['auth'];
const cookieName = 'gpubroker_sign_in';
const cookiePath = '/api/v2/auth/oidc';
const Redirect = Type.Null({ description: 'To where Location says.' });
const config = { action: 'public', limit: 'sign-in' } as const;

/** Registers them; without an issuer they say that there is none. */
export function oidcRoutes(app: ApiServer, { oidc }: { readonly oidc?: Oidc | undefined }): void {
  const issuer = () => {
    if (oidc) return oidc;
    throw new Refusal('not-found', 'GPUB_NOT_FOUND', 'this broker has no OIDC issuer: sign in with POST /auth/login');
  };
  const cookie = (value: string, seconds: number) =>
    `${cookieName}=${value}; Path=${cookiePath}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${oidc?.secure ? '; Secure' : ''}`;
  app.get(
    '/api/v2/auth/oidc/start',
    {
      schema: {
        summary: 'Begin to sign in at the OIDC issuer',
        tags,
        querystring: OidcStartQuery,
        response: { 302: Redirect },
      },
      config,
    },
    async ({ query }, reply) => {
      const start = await issuer().start(query);
      return reply.header('Set-Cookie', cookie(start.cookie, start.seconds)).redirect(start.location, 302);
    },
  );
  app.get(
    '/api/v2/auth/oidc/callback',
    {
      schema: {
        summary: 'Where the OIDC issuer sends the browser back to',
        tags,
        // Issuers add parameters of their own.
        querystring: Type.Object(
          { state: Type.Optional(Type.String({ maxLength: 500 })) },
          { additionalProperties: true },
        ),
        response: { 200: SessionView, 302: Redirect },
      },
      config,
    },
    async (request, reply) => {
      const [, query = ''] = request.url.split(/\?(.*)/s);
      const signedIn = await issuer().callback(query, readCookie(request.headers.cookie), request.ip);
      reply.header('Set-Cookie', cookie('', 0));
      if ('redirect' in signedIn) return reply.redirect(signedIn.redirect, 302);
      return reply.code(200).send(signedIn.session);
    },
  );
  app.post(
    '/api/v2/auth/oidc/exchange',
    {
      schema: {
        summary: 'Fetch the session for a code that the command line got',
        tags,
        body: OidcExchange,
        response: { 200: SessionView },
      },
      config,
    },
    async ({ body, ip }) => issuer().exchange(body.code, body.verifier, ip),
  );
}

function readCookie(header: string | undefined): string | undefined {
  const pairs = header?.slice(0, 8192).split(';') ?? [];
  const found = pairs.map((pair) => pair.trim()).find((pair) => pair.startsWith(`${cookieName}=`));
  return found?.slice(cookieName.length + 1) || undefined;
}
