// Routes of users and accounts: for who runs the platform.
import { IdParams } from '../../../../api/fields.ts';
import {
  AccountPage,
  AccountView,
  NewAccount,
  NewUser,
  UserChange,
  UserPage,
  UserQuery,
  UserView,
} from '../../../../api/identity.ts';
import { PageQuery } from '../../../../api/lists.ts';
import { createAccount, listAccounts, readAccount, renameAccount } from '../../../identity/accounts.ts';
import type { Identity } from '../../../identity/identity.ts';
import { changeUser, createUser, listUsers, readUser } from '../../../identity/users.ts';
import type { Database } from '../../../storage/database.ts';
import type { ApiServer } from '../app.ts';

interface UserServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
}

const users = ['users'];
const accounts = ['accounts'];

export function userRoutes(app: ApiServer, services: UserServices): void {
  const { db } = services;
  app.post(
    '/api/v2/users',
    {
      schema: { summary: 'Make a user', tags: users, body: NewUser, response: { 201: UserView } },
      config: { action: 'user.create' },
    },
    async ({ principal, body }, reply) => reply.code(201).send(await createUser(services, principal, body)),
  );
  app.get(
    '/api/v2/users',
    {
      schema: { summary: 'Users', tags: users, querystring: UserQuery, response: { 200: UserPage } },
      config: { action: 'user.read' },
    },
    async ({ query }) => listUsers(db, query),
  );
  app.get(
    '/api/v2/users/:id',
    {
      schema: { summary: 'A user', tags: users, params: IdParams, response: { 200: UserView } },
      config: { action: 'user.read' },
    },
    async ({ params }) => readUser(db, params.id),
  );
  app.patch(
    '/api/v2/users/:id',
    {
      schema: {
        summary: 'Change a user',
        tags: users,
        params: IdParams,
        body: UserChange,
        response: { 200: UserView },
      },
      config: { action: 'user.update' },
    },
    async ({ principal, params, body }) => changeUser(services, principal, params.id, body),
  );
  app.delete(
    '/api/v2/users/:id',
    {
      schema: {
        summary: 'Disable a user; their sessions end and their keys are good for nothing',
        tags: users,
        params: IdParams,
        response: { 200: UserView },
      },
      config: { action: 'user.disable' },
    },
    async ({ principal, params }) => changeUser(services, principal, params.id, { disabled: true }),
  );
}

export function accountRoutes(app: ApiServer, { db, now }: UserServices): void {
  app.post(
    '/api/v2/accounts',
    {
      schema: { summary: 'Make an account', tags: accounts, body: NewAccount, response: { 201: AccountView } },
      config: { action: 'account.create' },
    },
    async ({ principal, body }, reply) => reply.code(201).send(await createAccount(db, now(), principal, body.name)),
  );
  app.get(
    '/api/v2/accounts',
    {
      schema: { summary: 'Accounts', tags: accounts, querystring: PageQuery, response: { 200: AccountPage } },
      config: { action: 'account.read' },
    },
    async ({ query }) => listAccounts(db, query),
  );
  app.get(
    '/api/v2/accounts/:id',
    {
      schema: { summary: 'An account', tags: accounts, params: IdParams, response: { 200: AccountView } },
      config: { action: 'account.read' },
    },
    async ({ params }) => readAccount(db, params.id),
  );
  app.patch(
    '/api/v2/accounts/:id',
    {
      schema: {
        summary: 'Name an account anew',
        tags: accounts,
        params: IdParams,
        body: NewAccount,
        response: { 200: AccountView },
      },
      config: { action: 'account.update' },
    },
    async ({ principal, params, body }) => renameAccount(db, now(), principal, params.id, body.name),
  );
}
