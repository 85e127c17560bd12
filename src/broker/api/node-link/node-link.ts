// The node link: the gRPC server that nodes connect to.
import type { Buffer } from 'node:buffer';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { logVerbosity, Server, type ServerCredentials, type ServiceDefinition, setLogVerbosity } from '@grpc/grpc-js';
import type { Registry } from 'prom-client';
import { addressInUse, addressRefused, messageOf } from '../../../daemon/errors.ts';
import { interceptStreams, keepBusy, limitConnections, shutDown } from '../../../daemon/grpc-internals.ts';
import { NodeLinkService } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../../refusal.ts';
import type { LinkContext } from './context.ts';
import { enrollHandler, malformed } from './enroll.ts';
import { type NodeLinkLimits, nodeLinkLimits } from './limits.ts';
import { NodeLinkMetrics } from './metrics.ts';
import { addressOf, isPlainCall, refuseCall } from './node-call.ts';
import { ConnectedNodes, type NodeLinks } from './nodes.ts';
import { statusOf } from './status.ts';
import { NodeStream } from './stream.ts';
import { TokenBuckets } from './token-bucket.ts';
import { Turns } from './turns.ts';

// It would write plain text to standard error beside the structured log; its errors reach us as values.
setLogVerbosity(logVerbosity.NONE);

/** What the node link is made of. */
export interface NodeLinkOptions
  extends Pick<
    LinkContext,
    | 'db'
    | 'ingest'
    | 'telemetry'
    | 'measurements'
    | 'log'
    | 'now'
    | 'heartbeatInterval'
    | 'allowSimulated'
    | 'credentialLifetime'
    | 'onConnected'
  > {
  /** Of TLS: see tls/load.ts. */
  readonly credentials: ServerCredentials;
  readonly registry: Registry;
  readonly limits?: Partial<NodeLinkLimits>;
}

export interface NodeLink {
  readonly links: NodeLinks;
  /**
   * Listens, and returns the port.
   * @param address `HOST:PORT`
   * @throws CodedError `GPUB_ADDRESS_IN_USE` or `GPUB_ADDRESS_REFUSED`
   */
  start(address: string): Promise<number>;
  /** Ends all streams, so that nodes come back to another broker; once `force` is aborted, cuts what is left. */
  stop(force: AbortSignal): Promise<void>;
}

export function createNodeLink(options: NodeLinkOptions): NodeLink {
  const { registry, credentials, ingest, now } = options;
  const limits: NodeLinkLimits = { ...nodeLinkLimits, ...options.limits };
  const nodes = new ConnectedNodes(now);
  const context: LinkContext = {
    ...options,
    limits,
    nodes,
    metrics: new NodeLinkMetrics(registry, () => nodes.count),
    hellos: new Turns(limits.hellosInProgress),
    telemetryAllowances: new TokenBuckets(
      limits.telemetryBurst,
      1000 / limits.telemetryInterval,
      Number.POSITIVE_INFINITY,
    ),
    measurementAllowances: new TokenBuckets(
      limits.measurementBurst,
      1000 / limits.measurementInterval,
      Number.POSITIVE_INFINITY,
    ),
  };
  let stopping = false;
  const server = createServer(context, () => stopping);
  const timers = [
    setInterval(() => lookAtStreams(context), limits.sweepInterval),
    setInterval(() => pruneAllowances(context), 3_600_000),
  ];
  for (const timer of timers) timer.unref();
  const unlisten = ingest.onStanding((nodeId, standing) => {
    if (standing === 'decommissioned')
      nodes.end(nodeId, new Refusal('forbidden', 'GPUB_NODE_DECOMMISSIONED', 'this node was decommissioned'));
    else nodes.setStanding(nodeId, standing);
  });
  return {
    links: nodes,
    start: (address) => listen(server, address, credentials, limits.connections),
    async stop(force) {
      stopping = true;
      unlisten();
      for (const stream of [...nodes.streams])
        stream.end(new Refusal('unavailable', 'GPUB_BROKER_STOPPING', 'the broker is stopping: connect again soon'));
      await shutDown(server, force);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

function createServer(context: LinkContext, isStopping: () => boolean): Server {
  const { limits, nodes } = context;
  const server = new Server({
    'grpc.max_receive_message_length': limits.firstMessageBytes,
    'grpc.max_concurrent_streams': limits.streamsPerConnection,
    // Heartbeats tell sooner; this is for connections without a stream.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.max_connection_idle_ms': limits.idleConnection,
    // Bookkeeping for a debugging service that is not served; it costs every call a little.
    'grpc.enable_channelz': 0,
  });
  const attempts = new TokenBuckets(limits.enrolmentBurst, limits.enrolmentsPerSecond, limits.enrolmentAddresses);
  server.addService(definition, { enroll: enrollHandler(context, attempts, isStopping) });
  interceptStreams(server, (stream, headers) => {
    const refusal = refusalAtTheDoor(stream, headers, context, attempts, isStopping());
    if (refusal) {
      context.metrics.refused(refusal.code);
      refuseCall(stream, statusOf(refusal));
      return true;
    }
    if (headers[':path'] !== NodeLinkService.connect.path || !isPlainCall(headers)) return false;
    keepBusy(server, stream);
    nodes.opened(new NodeStream(stream, context));
    return true;
  });
  return server;
}

/** Looked at before a byte of the message is read. */
function refusalAtTheDoor(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { limits, nodes, now }: LinkContext,
  attempts: TokenBuckets,
  stopping: boolean,
): Refusal | undefined {
  if (stopping) return new Refusal('unavailable', 'GPUB_BROKER_STOPPING', 'the broker is stopping');
  const path = headers[':path'];
  if (path === NodeLinkService.enroll.path && !attempts.take(addressOf(stream), now().getTime()))
    return new Refusal(
      'too-many',
      'GPUB_TOO_MANY_ENROLMENTS',
      'too many attempts to enrol come from this address: try again soon',
    );
  if (path === NodeLinkService.connect.path && nodes.streams.size >= limits.connections)
    return new Refusal('too-many', 'GPUB_TOO_MANY_STREAMS', `${limits.connections} nodes are connected already`);
  return undefined;
}

/** What grpc-js serves; what cannot be read is refused by the handler, not by grpc-js as a fault of ours. */
const definition: ServiceDefinition = {
  enroll: {
    ...NodeLinkService.enroll,
    requestDeserialize: (bytes: Buffer) => {
      try {
        return NodeLinkService.enroll.requestDeserialize(bytes);
      } catch {
        return malformed;
      }
    },
  },
};

function lookAtStreams({ nodes, now }: LinkContext): void {
  const at = now().getTime();
  for (const stream of nodes.streams) stream.look(at);
}

/** Of nodes that have all of theirs back, nothing needs to be kept. */
function pruneAllowances({ telemetryAllowances, measurementAllowances, now }: LinkContext): void {
  for (const allowances of [telemetryAllowances, measurementAllowances]) allowances.prune(now().getTime());
}

async function listen(server: Server, address: string, how: ServerCredentials, connections: number): Promise<number> {
  try {
    return await new Promise<number>((bound, failed) => {
      server.bindAsync(address, how, (error, port) => {
        if (error) return failed(error);
        limitConnections(server, connections);
        bound(port);
      });
    });
  } catch (error) {
    const reason = messageOf(error);
    throw reason.includes('EADDRINUSE')
      ? addressInUse('node-link', address)
      : addressRefused('node-link', address, reason);
  }
}
