// The metrics of the link to the broker and of what waits for it.
import { Gauge, type Registry } from 'prom-client';
import type { BrokerLink } from '../broker-client/link.ts';
import type { LogName, Spool } from '../broker-client/spool/spool.ts';

const logs: readonly LogName[] = ['changes', 'telemetry'];

/** What the metrics show. */
interface Observed {
  readonly link: Pick<BrokerLink, 'state'>;
  readonly spool: Pick<Spool, 'bytes' | 'dropped'>;
}

/** Shows the link as it is when somebody asks. */
export function observeLink(registry: Registry, { link, spool }: Observed): void {
  const gauge = (name: string, help: string, read: () => number | undefined) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const value = read();
        if (value !== undefined) this.set(value);
      },
    });
  gauge('gpubroker_broker_connected', '1 while the node is connected to its broker, else 0.', () =>
    link.state.phase === 'streaming' ? 1 : 0,
  );
  gauge('gpubroker_broker_reconnects_total', 'Connections to the broker after the first.', () => link.state.reconnects);
  gauge(
    'gpubroker_broker_last_stored_timestamp_seconds',
    'When the broker last said that it has stored something.',
    () => (link.state.lastStored === undefined ? undefined : link.state.lastStored.getTime() / 1000),
  );
  const perLog = (name: string, help: string, read: (log: LogName) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['log'],
      registers: [registry],
      collect() {
        for (const log of logs) this.set({ log }, read(log));
      },
    });
  perLog('gpubroker_spool_bytes', 'Bytes that are kept for the broker.', (log) => spool.bytes(log));
  perLog('gpubroker_spool_dropped_total', 'Messages that were dropped before the broker had them.', (log) =>
    spool.dropped(log),
  );
}
