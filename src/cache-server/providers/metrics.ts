// The metrics of registered providers, under the names that users of NVIDIA's device API server know. There are as many
// values of the label as there are places for providers; what has no value is absent.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ProviderState, Providers } from './providers.ts';

const prefix = 'device_api_server_provider_';

/** Shows who beats; everything is read when somebody asks. */
export function observeProviders(providers: Providers, registry: Registry): void {
  const common = { labelNames: ['provider_id'] as const, registers: [registry] };
  const gauge = (name: string, help: string, read: (provider: ProviderState) => number | undefined) =>
    new Gauge({
      name: prefix + name,
      help,
      ...common,
      collect() {
        this.reset();
        for (const [provider_id, provider] of providers.states()) {
          const value = read(provider);
          if (value !== undefined) this.set({ provider_id }, value);
        }
      },
    });
  const counter = (name: string, help: string, read: (provider: ProviderState) => number) =>
    new Counter({
      name: prefix + name,
      help,
      ...common,
      collect() {
        this.reset();
        for (const [provider_id, provider] of providers.states()) this.inc({ provider_id }, read(provider));
      },
    });
  gauge('connection_state', '1 while a registered provider beats, 0 while it is silent.', ({ isSilent }) =>
    isSilent ? 0 : 1,
  );
  gauge(
    'last_heartbeat_timestamp_seconds',
    'When a registered provider was last heard, in seconds since the epoch; absent where not since the daemon started.',
    ({ heardMs }) => (heardMs === undefined ? undefined : heardMs / 1000),
  );
  counter(
    'heartbeat_total',
    'Beats of registered providers: heartbeats, registrations and writes.',
    ({ beats }) => beats,
  );
  counter('heartbeat_timeout_total', 'How often registered providers went silent.', ({ timeouts }) => timeouts);
}
