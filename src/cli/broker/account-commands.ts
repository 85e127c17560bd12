// The commands for users and accounts: for who runs the platform.
import { type Command, Option } from 'commander';
import type { UserChange, UserQuery, UserView } from '../../api/identity.ts';
import { command, given, listed, textOf } from './command.ts';
import { brokerGroup } from './run.ts';

const roles = ['admin', 'provider', 'consumer', 'developer'];

/** Adds them. */
export function addAccountCommands(program: Command): void {
  addUsers(program);
  addAccounts(program);
}

function addUsers(program: Command): void {
  const group = brokerGroup(program, 'users', 'who may sign in (admins)', 'gpubroker users list');
  const file = () => import('./users.ts');
  listed(group, 'list', 'show a line for each user', 'gpubroker users list', async (client, json, flags) => {
    const query = given<UserQuery>({ account_id: textOf(flags.account) });
    await (await file()).listUsers(client, json, query, flags.limit);
  }).option('--account <id>', 'of this account alone');
  command(group, 'get <id>', 'show one', 'gpubroker users get 0198…', async (client, json, _flags, id = '') =>
    (await file()).showUser(client, json, id),
  );
  command(
    group,
    'create <email>',
    'make one; asks for the password, or reads it from standard input',
    'gpubroker users create ada@example.org --role provider --account "Northern GPUs" < password',
    async (client, json, flags, email = '') => {
      const name = textOf(flags.name) ?? email;
      const role = flags.role as UserView['role'];
      const account = String(flags.account);
      await (await file()).createUser(client, json, {
        email,
        name,
        role,
        account,
        withPassword: flags.password === true,
      });
    },
  )
    .addOption(new Option('--role <role>', 'what they may do').choices(roles).makeOptionMandatory())
    .requiredOption('--account <name>', 'name or id of their account, which is made if there is none of that name')
    .option('--name <name>', 'what they are called (default: the address)')
    .option('--no-password', 'give none: they sign in at the OIDC issuer');
  addUserChanges(group);
}

function addUserChanges(group: Command): void {
  const file = () => import('./users.ts');
  command(
    group,
    'change <id>',
    'give them another role or name',
    'gpubroker users change 0198… --role developer',
    async (client, json, flags, id = '') => {
      const change = given<UserChange>({ role: flags.role as UserChange['role'], name: textOf(flags.name) });
      await (await file()).changeUser(client, json, id, change);
    },
  )
    .addOption(new Option('--role <role>', 'what they may do from now on').choices(roles))
    .option('--name <name>', 'what they are called');
  command(
    group,
    'reset-password <id>',
    'give them a new password, which is asked for or read from standard input',
    'gpubroker users reset-password 0198… < password',
    async (client, json, _flags, id = '') => (await file()).resetPassword(client, json, id),
  );
  command(
    group,
    'disable <id>',
    'let them sign in no more; their sessions and keys end',
    'gpubroker users disable 0198…',
    async (client, json, _flags, id = '') => (await file()).disableUser(client, json, id),
  );
  command(
    group,
    'enable <id>',
    'let them sign in again',
    'gpubroker users enable 0198…',
    async (client, json, _flags, id = '') => (await file()).changeUser(client, json, id, { disabled: false }),
  );
}

function addAccounts(program: Command): void {
  const group = brokerGroup(program, 'accounts', 'for whom users act (admins)', 'gpubroker accounts list');
  const file = () => import('./users.ts');
  listed(group, 'list', 'show a line for each account', 'gpubroker accounts list', async (client, json, { limit }) =>
    (await file()).listAccounts(client, json, limit),
  );
  command(
    group,
    'create <name>',
    'make one',
    'gpubroker accounts create "Northern GPUs"',
    async (client, json, _flags, name = '') => (await file()).createAccount(client, json, name),
  );
  command(
    group,
    'rename <id> <name>',
    'name it anew',
    'gpubroker accounts rename 0198… "Southern GPUs"',
    async (client, json, _flags, id = '', name = '') => (await file()).renameAccount(client, json, id, name),
  );
}
