// `gpubroker wallet`: the commands for the money of an account.
import { Argument, type Command, Option } from 'commander';
import type { WalletTransferQuery } from '../../api/wallets.ts';
import { command, given, listed, textOf, timeOf } from './command.ts';
import { moneyOf } from './order-commands.ts';
import { brokerGroup } from './run.ts';

/** Adds `gpubroker wallet …`. */
export function addWalletCommands(program: Command): void {
  const group = brokerGroup(program, 'wallet', 'the money of an account', 'gpubroker wallet show');
  const file = () => import('./wallet.ts');
  command(
    group,
    'show',
    'show what is available and what is held back',
    'gpubroker wallet show',
    async (client, json, flags) => (await file()).showWallet(client, json, textOf(flags.account)),
  ).option('--account <id or name>', 'of this account (admins)');
  listed(
    group,
    'transfers',
    'show a line for each movement, newest first',
    'gpubroker wallet transfers --reason capture --from 24h',
    async (client, json, flags) => {
      const query = given<WalletTransferQuery>({
        reason: flags.reason as WalletTransferQuery['reason'],
        from: textOf(flags.from),
        to: textOf(flags.to),
      });
      await (await file()).listTransfers(client, json, { query, account: textOf(flags.account) }, flags.limit);
    },
  )
    .addOption(
      new Option('--reason <word>').choices(['deposit', 'withdrawal', 'escrow', 'release', 'capture'] as const),
    )
    .addOption(new Option('--from <time>', 'since then').argParser(timeOf))
    .addOption(new Option('--to <time>', 'before then').argParser(timeOf))
    .option('--account <id or name>', 'of this account (admins)');
  moving(group, 'deposit', 'credit an account with money that came in (admins)', 'gpubroker wallet deposit 500').option(
    '--account <id or name>',
    'whose (default: your own)',
  );
  moving(group, 'withdraw', 'take available money out', 'gpubroker wallet withdraw 120.50 --reference "invoice 7"');
}

function moving(group: Command, name: 'deposit' | 'withdraw', description: string, example: string): Command {
  return command(group, name, description, example, async (client, json, flags, amount = '') => {
    const movement = { amount, reference: textOf(flags.reference), account: textOf(flags.account) };
    const { deposit, withdraw } = await import('./wallet.ts');
    await { deposit, withdraw }[name](client, json, movement, textOf(flags.key));
  })
    .addArgument(new Argument('<usd>', 'for instance 500 or 120.50').argParser(moneyOf))
    .option('--reference <text>', 'what you call it')
    .option('--key <text>', 'a name for it; sent again with it, it is done once');
}
