// The commands for access: signing in and out, one's own password, and API keys.
import { type Command, Option } from 'commander';
import type { NewApiKey } from '../../api/identity.ts';
import { command, durationOf, listed } from './command.ts';
import type { LoginOptions } from './login.ts';
import { type BrokerOptions, brokerCommand, brokerGroup } from './run.ts';

/** Adds them. */
export function addAccessCommands(program: Command): void {
  const file = () => import('./login.ts');
  const login = 'gpubroker login --broker https://broker.example:10355 --email ada@example.org';
  brokerCommand(program, 'login', 'sign in to a broker: by e-mail, by --api-key-file, or else in a browser', login)
    .option('--email <address>', 'sign in with this address and its password')
    .action(async (options: LoginOptions) => (await file()).login(options));
  brokerCommand(program, 'logout', 'sign out', 'gpubroker logout').action(async (options: BrokerOptions) =>
    (await file()).logout(options),
  );
  brokerCommand(program, 'whoami', 'show as whom commands speak', 'gpubroker whoami').action(
    async (options: BrokerOptions) => (await file()).whoami(options),
  );
  const change = 'set a password of your own';
  brokerCommand(program, 'password', change, 'gpubroker password').action(async (options: BrokerOptions) =>
    (await file()).changePassword(options),
  );
  addKeys(program);
}

function addKeys(program: Command): void {
  const group = brokerGroup(program, 'keys', 'API keys of your own', 'gpubroker keys list');
  const file = () => import('./keys.ts');
  listed(group, 'list', 'show a line for each key', 'gpubroker keys list', async (client, json, { limit }) =>
    (await file()).listKeys(client, json, limit),
  );
  command(
    group,
    'create <name>',
    'make one, and print it this once',
    'gpubroker keys create ci --scopes read telemetry --lifetime 720h > key',
    async (client, json, flags, name = '') => {
      const scopes = flags.scopes as NewApiKey['scopes'];
      const { lifetime } = flags;
      const end = typeof lifetime === 'number' ? { expires_at: new Date(Date.now() + lifetime).toISOString() } : {};
      await (await file()).createKey(client, json, { name, scopes, ...end });
    },
  )
    .addOption(
      new Option('--scopes <scopes...>', 'what it may be used for')
        .choices(['read', 'write', 'telemetry', 'admin'])
        .default(['read']),
    )
    .addOption(new Option('--lifetime <duration>', 'how long (default: for ever)').argParser(durationOf));
  command(
    group,
    'revoke <id>',
    'let nobody use it any more',
    'gpubroker keys revoke 0198…',
    async (client, json, _flags, id = '') => (await file()).revokeKey(client, json, id),
  );
}
