// `gpubroker conditions providers`, `register` and `unregister`: who reports on the GPUs of this node, and is missed.
import { formatDuration } from '../daemon/duration.ts';
import type { Provider } from '../wire/gpubroker/device/v1/provider_registry.ts';
import type { NodeClient } from './node-client.ts';
import { coloured, formatTable, oneLine, print, printJson, remark } from './output.ts';
import { absent, formatAge } from './quantities.ts';

/** Prints who has registered, and who reports besides. */
export async function listProviders(client: NodeClient, json: boolean): Promise<void> {
  const providers = await client.listProviders();
  if (json) printJson({ providers });
  else if (providers.length === 0) remark('Nobody has registered, and nobody reports a condition.');
  else print(formatProviders(providers, Date.now()));
}

/** Registers a provider that does not do so itself. */
export async function registerProvider(
  client: NodeClient,
  provider: string,
  types: string[],
  intervalMs: number,
  json: boolean,
): Promise<void> {
  const heartbeatIntervalMillis = await client.register(provider, types, intervalMs);
  if (json) printJson({ provider, heartbeatIntervalMillis });
  else print(oneLine(`${provider} is expected to report every ${formatDuration(heartbeatIntervalMillis)}`));
}

/** Ends the registration of a provider. */
export async function unregisterProvider(
  client: NodeClient,
  provider: string,
  remove: boolean,
  json: boolean,
): Promise<void> {
  await client.unregister(provider, remove);
  if (json) printJson({ provider, removed: remove });
  else print(oneLine(`${provider} is expected no more; its conditions ${remove ? 'are gone' : 'are Unknown'}`));
}

/** `now` in milliseconds since the epoch, for the age of the last beat. */
export function formatProviders(providers: readonly Provider[], now: number): string {
  const heading = ['PROVIDER', 'STATE', 'GPUS', 'INTERVAL', 'LAST BEAT', 'SILENCES', 'TYPES'];
  const rows = providers.map((provider) => {
    const { id, state, gpus, heartbeatIntervalMillis, lastHeartbeat, timeouts, conditionTypes } = provider;
    const registered = heartbeatIntervalMillis > 0;
    return [
      id,
      state === 'silent' ? coloured('red', state) : state,
      String(gpus),
      registered ? formatDuration(heartbeatIntervalMillis) : absent,
      lastHeartbeat ? `${formatAge(now - lastHeartbeat.getTime())} ago` : absent,
      registered ? String(timeouts) : absent,
      conditionTypes.join(', ') || absent,
    ];
  });
  return formatTable([heading, ...rows]);
}
