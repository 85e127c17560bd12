// Routes under /auth: signing in and out, passwords, API keys.

import { Done, IdParams } from '../../../../api/fields.ts';
import {
  ApiKeyPage,
  IssuedApiKey,
  Login,
  Me,
  NewApiKey,
  PasswordChange,
  SessionView,
} from '../../../../api/identity.ts';
import { PageQuery } from '../../../../api/lists.ts';
import type { Identity } from '../../../identity/identity.ts';
import { createApiKey, listApiKeys, revokeApiKey } from '../../../identity/issued-keys.ts';
import { changePassword, signIn, signOut, whoAmI } from '../../../identity/sign-in.ts';
import type { Database } from '../../../storage/database.ts';
import type { ApiServer } from '../app.ts';

interface AuthServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
}

const tags = ['auth'];
const success = { success: true as const };

export function authRoutes(app: ApiServer, services: AuthServices): void {
  const { db, now, identity } = services;
  app.post(
    '/api/v2/auth/login',
    {
      schema: {
        summary: 'Sign in with e-mail address and password',
        tags,
        body: Login,
        response: { 200: SessionView },
      },
      config: { action: 'public', limit: 'sign-in' },
    },
    async ({ body, ip }) => signIn(services, body, ip),
  );
  app.post(
    '/api/v2/auth/logout',
    {
      schema: { summary: 'End this session', tags, response: { 200: Done } },
      config: { action: 'session.end' },
    },
    async ({ principal }) => {
      await signOut(services, principal);
      return success;
    },
  );
  app.get(
    '/api/v2/auth/me',
    { schema: { summary: 'Who am I?', tags, response: { 200: Me } }, config: { action: 'session.read' } },
    async ({ principal }) => whoAmI(db, principal),
  );
  app.put(
    '/api/v2/auth/password',
    {
      schema: { summary: 'Set one’s own password', tags, body: PasswordChange, response: { 200: Done } },
      config: { action: 'password.change', limit: 'sign-in' },
    },
    async ({ principal, body }) => {
      await changePassword(services, principal, body);
      return success;
    },
  );
  app.post(
    '/api/v2/auth/api-keys',
    {
      schema: { summary: 'Make an API key; it is shown once', tags, body: NewApiKey, response: { 201: IssuedApiKey } },
      config: { action: 'api-key.create' },
    },
    async ({ principal, body }, reply) => reply.code(201).send(await createApiKey(db, now(), principal, body)),
  );
  app.get(
    '/api/v2/auth/api-keys',
    {
      schema: { summary: 'One’s own API keys', tags, querystring: PageQuery, response: { 200: ApiKeyPage } },
      config: { action: 'api-key.read' },
    },
    async ({ principal, query }) => listApiKeys(db, principal, query),
  );
  app.delete(
    '/api/v2/auth/api-keys/:id',
    {
      schema: { summary: 'Revoke an API key', tags, params: IdParams, response: { 200: Done } },
      config: { action: 'api-key.revoke' },
    },
    async ({ principal, params }) => {
      await revokeApiKey({ db, now: now(), cache: identity.cache }, principal, params.id);
      return success;
    },
  );
}
