// `gpubroker config print`: every option of a daemon with its value and where that comes from.
import { brokerOptions } from '../daemon/broker-options.ts';
import { resolveOrExplain } from '../daemon/daemon.ts';
import { devicePluginOptions } from '../daemon/device-plugin-options.ts';
import { agentOptions, cacheServerOptions } from '../daemon/node-options.ts';
import { asksForHelp, helpText } from '../daemon/option-flags.ts';
import type { OptionTable } from '../daemon/option-kinds.ts';
import type { ResolvedOptions } from '../daemon/options.ts';
import { upOptions } from '../daemon/up-options.ts';
import { exitCodes } from './exit-codes.ts';
import { formatTable, print, printJson, remark } from './output.ts';

/** By the name of the daemon. */
const resolvers = {
  agent: (argv: readonly string[]) => resolveOrExplain('agent', agentOptions, argv),
  'cache-server': (argv: readonly string[]) => resolveOrExplain('cache-server', cacheServerOptions, argv),
  broker: (argv: readonly string[]) => resolveOrExplain('broker', brokerOptions, argv),
  'device-plugin': (argv: readonly string[]) => resolveOrExplain('device-plugin', devicePluginOptions, argv),
  up: (argv: readonly string[]) => resolveOrExplain('up', upOptions, argv),
};

/** Every daemon's, for what the help shows. */
const tables = {
  agent: agentOptions.table,
  broker: brokerOptions.table,
  'cache-server': cacheServerOptions.table,
  'device-plugin': devicePluginOptions.table,
  up: upOptions.table,
};

/** Prints the options that the daemon would run with, given these arguments; returns the exit code. */
export async function printConfig(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  const daemon = isDaemon(first) ? first : 'agent';
  const given = isDaemon(first) ? rest : argv;
  if (asksForHelp(given)) {
    print(await help(daemon));
    return exitCodes.ok;
  }
  const { json, flags } = takeJson(tables[daemon], given);
  const resolved = resolvers[daemon](flags);
  if (!resolved) return exitCodes.usage;
  for (const warning of resolved.warnings) remark(warning);
  show(resolved, json);
  return exitCodes.ok;
}

function isDaemon(word: string | undefined): word is keyof typeof resolvers {
  return word !== undefined && Object.hasOwn(resolvers, word);
}

/** Our own `--json` apart from the daemon's flags; after a flag that waits for its value it is that value. */
function takeJson(table: OptionTable, argv: readonly string[]): { json: boolean; flags: string[] } {
  const awaitsValue = (argument = '') => argument.startsWith('--') && table[argument.slice(2)]?.isSwitch === false;
  const isOurs = (argument: string, index: number) => argument === '--json' && !awaitsValue(argv[index - 1]);
  return { json: argv.some(isOurs), flags: argv.filter((argument, index) => !isOurs(argument, index)) };
}

function show({ settings }: Pick<ResolvedOptions<unknown>, 'settings'>, json: boolean): void {
  if (json) printJson(settings);
  else
    print(formatTable([['KEY', 'VALUE', 'SOURCE'], ...settings.map(({ key, value, source }) => [key, value, source])]));
}

function help(daemon: keyof typeof tables): Promise<string> {
  return helpText(
    `gpubroker config print [${Object.keys(tables).join('|')}]`,
    'Prints every option of the daemon (agent, unless another is named) with its value and its source.\n' +
      '--json prints the same for programs.',
    tables[daemon],
    [['gpubroker config print agent --config /etc/gpubroker/agent.yaml', 'What would the agent run with?']],
  );
}
