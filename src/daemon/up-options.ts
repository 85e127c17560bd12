// The options of `gpubroker up`: the agent's, with defaults for a person at a terminal, and where its broker listens.
import { listenAddress } from './broker-options.ts';
import { agentOptions, agentTable } from './node-options.ts';
import { type FoundDefault, flag, withDefaults } from './option-kinds.ts';
import { type OptionSet, type OptionValues, optionSet } from './options.ts';
import { userDataFolder, userSocket } from './user-paths.ts';

/** Any free port, readable log, no waiting; an ordinary user's own places. */
const table = {
  ...withDefaults(agentTable, {
    // Where somebody else holds the place of the user's socket, the system's is tried, and refused with its reason.
    'unix-socket': ordinaryUsers(userSocket, "the system's for root, else this user's own"),
    'data-dir': ordinaryUsers(userDataFolder, "the system's for root, else this user's own"),
    'grpc-address': '',
    'health-port': '0',
    'metrics-port': '0',
    'shutdown-delay': '0s',
    'log-format': 'text',
  }),
  broker: flag({ description: 'Run a broker too, and join it; not where broker-url names another', default: true }),
  'http-address': listenAddress("Address of the broker's HTTP API", '127.0.0.1:10355'),
  'node-link-address': listenAddress('Address to which nodes connect', '127.0.0.1:10356'),
  'broker-metrics-address': listenAddress("Address of the broker's /metrics and health", '127.0.0.1:10357'),
};

export type UpOptions = OptionValues<typeof table>;

/** Options of `gpubroker up`. */
export const upOptions: OptionSet<UpOptions> = optionSet(table, agentOptions.rules);

/** Root keeps the default of the agent. */
function ordinaryUsers(find: () => string | undefined, shown: string): FoundDefault {
  return { find: () => (process.getuid?.() === 0 ? undefined : find()), shown };
}
