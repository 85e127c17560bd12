// What all streams of one node link share.
import type { Log } from '../../../daemon/logger.ts';
import type { Ingest } from '../../registry/ingest/contract.ts';
import type { Database } from '../../storage/database.ts';
import type { TelemetryStore } from '../../telemetry/store.ts';
import type { NodeLinkLimits } from './limits.ts';
import type { MeasurementIntake } from './measurements.ts';
import type { NodeLinkMetrics } from './metrics.ts';
import type { ConnectedNodes } from './nodes.ts';
import type { TokenBuckets } from './token-bucket.ts';
import type { Turns } from './turns.ts';

export interface LinkContext {
  readonly db: Database;
  readonly ingest: Ingest;
  readonly telemetry: Pick<TelemetryStore, 'add'>;
  /** Absent where nobody keeps them: none is acknowledged then. */
  readonly measurements?: MeasurementIntake | undefined;
  readonly log: Log;
  readonly now: () => Date;
  /** Milliseconds. */
  readonly heartbeatInterval: number;
  readonly allowSimulated: boolean;
  /** Milliseconds. */
  readonly credentialLifetime: number;
  /** Called once a node's stream is open. */
  readonly onConnected?: (nodeId: string) => void;
  readonly limits: NodeLinkLimits;
  readonly metrics: NodeLinkMetrics;
  readonly nodes: ConnectedNodes;
  readonly hellos: Turns;
  /** Of telemetry, by node: it outlives streams. */
  readonly telemetryAllowances: TokenBuckets;
  /** Of measurements, as well. */
  readonly measurementAllowances: TokenBuckets;
}
