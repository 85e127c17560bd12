// The commands that are daemons: they read their arguments themselves, and load nothing of the others.

/** Commands whose arguments go to a daemon untouched. */
export const daemonCommands = {
  agent: {
    summary: "run this node's daemon: find the GPUs, watch their health, serve the device API",
    run: async (argv: readonly string[]) => (await import('../agent/main.ts')).runAgent([...argv]),
  },
  broker: {
    summary: 'run the broker at the centre: inventory, nodes, HTTP API',
    run: async (argv: readonly string[]) => (await import('../broker/main.ts')).runBroker([...argv]),
  },
  'cache-server': {
    summary: 'run the device API alone, without looking for GPUs',
    run: async (argv: readonly string[]) => (await import('../cache-server/main.ts')).runCacheServer([...argv]),
  },
  'device-plugin': {
    summary: "offer this node's healthy GPUs to Kubernetes",
    run: async (argv: readonly string[]) => (await import('../device-plugin/main.ts')).runDevicePlugin([...argv]),
  },
  up: {
    summary: 'run everything on this machine; without a GPU, with simulated ones, saying so',
    run: async (argv: readonly string[]) => (await import('../up/up.ts')).runUp([...argv]),
  },
} as const;

/** Whether the word is one of {@link daemonCommands}. */
export function isDaemonCommand(word: string | undefined): word is keyof typeof daemonCommands {
  return word !== undefined && Object.hasOwn(daemonCommands, word);
}
