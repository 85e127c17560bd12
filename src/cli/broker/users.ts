// `gpubroker users` and `gpubroker accounts`: who may sign in, for whom, in which role. For who runs the platform.
import type { AccountView, UserChange, UserQuery, UserView } from '../../api/identity.ts';
import type { Client } from '../../client/client.ts';
import { wrongUsage } from '../errors.ts';
import { readNewPassword } from './password.ts';
import { ago, type Columns, collect, pageFor, showDone, showList, showOne } from './show.ts';

const columns: Columns<UserView> = {
  ID: ({ id }) => id,
  EMAIL: ({ email }) => email,
  NAME: ({ name }) => name,
  ROLE: ({ role }) => role,
  'SIGNS IN': ({ disabled_at, has_password, oidc_issuer }) =>
    disabled_at ? 'disabled' : [has_password && 'password', oidc_issuer].filter(Boolean).join(', '),
  ACCOUNT: ({ account_id }) => account_id,
};

const accountColumns: Columns<AccountView> = {
  ID: ({ id }) => id,
  NAME: ({ name }) => name,
  CREATED: ({ created_at }) => ago(created_at),
};

export async function listUsers(client: Client, json: boolean, query: UserQuery, limit: number): Promise<void> {
  const items = await collect(client.all('GET /users', { query: { ...query, ...pageFor(limit) } }), limit);
  showList(items, { json, columns, nothing: 'No user; `gpubroker users create` makes one.' });
}

export async function showUser(client: Client, json: boolean, id: string): Promise<void> {
  showOne(await client.call('GET /users/{id}', { params: { id } }), json);
}

export interface NewUserFlags {
  readonly email: string;
  readonly name: string;
  readonly role: UserView['role'];
  /** Its name or id. */
  readonly account: string;
  /** Else they sign in at the OIDC issuer, or get a password later. */
  readonly withPassword: boolean;
}

/** Makes the account too, where there is none of that name. */
export async function createUser(client: Client, json: boolean, flags: NewUserFlags): Promise<void> {
  const { email, name, role } = flags;
  const password = flags.withPassword ? { password: await readNewPassword(`Password of ${email}`) } : {};
  const account = await findAccount(client, flags.account);
  const { id: account_id, name: accountName } =
    account ?? (await client.call('POST /accounts', { body: { name: flags.account } }));
  const user = await client.call('POST /users', { body: { account_id, email, name, role, ...password } });
  const made = account ? '' : ', which is new';
  showDone(user, `Made ${user.email} (${role}) in the account ${accountName}${made}: ${user.id}`, json);
}

export async function changeUser(client: Client, json: boolean, id: string, body: UserChange): Promise<void> {
  const user = await client.call('PATCH /users/{id}', { params: { id }, body });
  showDone(user, `Changed ${user.email}: ${user.role}${user.disabled_at ? ', disabled' : ''}.`, json);
}

export async function resetPassword(client: Client, json: boolean, id: string): Promise<void> {
  const { email } = await client.call('GET /users/{id}', { params: { id } });
  const password = await readNewPassword(`New password of ${email}`);
  const user = await client.call('PATCH /users/{id}', { params: { id }, body: { password } });
  showDone(user, `${email} has a new password; their sessions have ended.`, json);
}

export async function disableUser(client: Client, json: boolean, id: string): Promise<void> {
  const user = await client.call('DELETE /users/{id}', { params: { id } });
  showDone(user, `${user.email} is disabled: their sessions have ended, and their keys are good for nothing.`, json);
}

export async function listAccounts(client: Client, json: boolean, limit: number): Promise<void> {
  const items = await collect(client.all('GET /accounts', { query: pageFor(limit) }), limit);
  showList(items, { json, columns: accountColumns, nothing: 'No account.' });
}

export async function createAccount(client: Client, json: boolean, name: string): Promise<void> {
  const account = await client.call('POST /accounts', { body: { name } });
  showDone(account, `Made the account ${account.name}: ${account.id}`, json);
}

export async function renameAccount(client: Client, json: boolean, id: string, name: string): Promise<void> {
  const account = await client.call('PATCH /accounts/{id}', { params: { id }, body: { name } });
  showDone(account, `The account is named ${account.name} now.`, json);
}

/** By its id or its name. @throws CodedError where several have the name. */
export async function findAccount(client: Client, given: string): Promise<AccountView | undefined> {
  if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(given)) {
    return client.call('GET /accounts/{id}', { params: { id: given } });
  }
  const found: AccountView[] = [];
  for await (const account of client.all('GET /accounts', { query: { limit: 500 } })) {
    if (account.name === given) found.push(account);
  }
  if (found.length < 2) return found[0];
  throw wrongUsage(`several accounts are named ${given}; give the id: ${found.map(({ id }) => id).join(', ')}`);
}
