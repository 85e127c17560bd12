// `gpubroker config print`: every option of a daemon with its value and where that comes from.
import { resolveOrExplain } from '../daemon/daemon.ts';
import { agentOptions, cacheServerOptions } from '../daemon/node-options.ts';
import { asksForHelp, helpText } from '../daemon/option-flags.ts';
import type { ResolvedOptions } from '../daemon/options.ts';
import { exitCodes } from './exit-codes.ts';
import { formatTable, print, printJson, remark } from './output.ts';

const resolvers = {
  agent: (argv: readonly string[]) => resolveOrExplain('agent', agentOptions, argv),
  'cache-server': (argv: readonly string[]) => resolveOrExplain('cache-server', cacheServerOptions, argv),
};

/** Prints the options that the daemon would run with, given these arguments; returns the exit code. */
export async function printConfig(argv: readonly string[]): Promise<number> {
  if (asksForHelp(argv)) {
    print(await help());
    return exitCodes.ok;
  }
  const json = argv.includes('--json');
  const flags = argv.filter((argument) => argument !== '--json');
  const daemon = flags[0] === 'agent' || flags[0] === 'cache-server' ? flags.shift() : 'agent';
  const resolved = daemon === 'cache-server' ? resolvers[daemon](flags) : resolvers.agent(flags);
  if (!resolved) return exitCodes.usage;
  for (const warning of resolved.warnings) remark(warning);
  show(resolved, json);
  return exitCodes.ok;
}

function show({ settings }: Pick<ResolvedOptions<unknown>, 'settings'>, json: boolean): void {
  if (json) printJson(settings);
  else
    print(formatTable([['KEY', 'VALUE', 'SOURCE'], ...settings.map(({ key, value, source }) => [key, value, source])]));
}

function help(): Promise<string> {
  return helpText(
    'gpubroker config print [agent|cache-server]',
    'Prints every option of the daemon (agent, unless cache-server is named) with its value and its source.\n' +
      '--json prints the same for programs.',
    agentOptions.table,
    [['gpubroker config print agent --config /etc/gpubroker/agent.yaml', 'What would the agent run with?']],
  );
}
