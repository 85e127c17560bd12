// The broker put together, as steps of a daemon's life.
import type { BrokerOptions } from '../daemon/broker-options.ts';
import type { DaemonContext } from '../daemon/daemon.ts';
import type { Step } from '../daemon/lifecycle.ts';

/** The steps of the broker, in order. */
export function brokerSteps(_context: DaemonContext<BrokerOptions>): readonly Step[] {
  return [];
}
