// The options of `gpubroker up`: the agent's, with defaults for a person at a terminal.
import { type AgentOptions, agentOptions } from './node-options.ts';
import { type FoundDefault, withDefaults } from './option-kinds.ts';
import type { OptionSet } from './options.ts';
import { userDataFolder, userSocket } from './user-paths.ts';

/** Any free port, readable log, no waiting; an ordinary user's own places. */
const table = withDefaults(agentOptions.table, {
  // Where somebody else holds the place of the user's socket, the system's is tried, and refused with its reason.
  'unix-socket': ordinaryUsers(userSocket, "the system's for root, else this user's own"),
  'data-dir': ordinaryUsers(userDataFolder, "the system's for root, else this user's own"),
  'grpc-address': '',
  'health-port': '0',
  'metrics-port': '0',
  'shutdown-delay': '0s',
  'log-format': 'text',
});

/** Options of `gpubroker up`. */
export const upOptions: OptionSet<AgentOptions> = { ...agentOptions, table };

/** Root keeps the default of the agent. */
function ordinaryUsers(find: () => string | undefined, shown: string): FoundDefault {
  return { find: () => (process.getuid?.() === 0 ? undefined : find()), shown };
}
