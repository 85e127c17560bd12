// One gRPC server with every service of the node, listening on the Unix socket or on TCP.
import { resolve } from 'node:path';
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { addressInUse, addressRefused, messageOf } from '../daemon/errors.ts';
import { limitConnections, shutDown } from '../daemon/grpc-internals.ts';
import {
  claimSocket,
  removeSocket,
  restrictSocket,
  socketInode,
  socketRefused,
  sparingOthers,
} from '../daemon/socket.ts';
import type { Cache } from './cache.ts';
import { type Controlled, createDaemonControl, daemonControlDefinition } from './daemon-control.ts';
import { createDeviceDetails, type DeviceBook, deviceDetailsDefinition } from './device-details.ts';
import { addFastReads } from './fast-reads.ts';
import { createFastReads, createGpuService, gpuServiceDefinition } from './gpu-service.ts';
import type { GpuWatches } from './gpu-watches.ts';
import type { Health } from './health.ts';
import { limits } from './limits.ts';
import { createMeasurements, type MeasurementRuns, measurementsDefinition } from './measurements.ts';
import type { Providers } from './providers/providers.ts';
import { createProviderRegistry, providerRegistryDefinition } from './providers/registry-service.ts';
import type { Reflection } from './reflection.ts';
import type { RpcContext } from './rpc.ts';
import { limitStreams } from './stream-limit.ts';
import { type TlsFiles, tlsCredentials } from './tls.ts';

// It would write plain text to standard error beside the structured log; its errors reach us as values.
setLogVerbosity(logVerbosity.NONE);

/** What the services of every server are made of. */
export interface Served {
  readonly cache: Cache;
  readonly watches: GpuWatches;
  readonly book: DeviceBook;
  readonly providers: Providers;
  /** The interval at which providers beat that name none, in milliseconds. */
  readonly heartbeatInterval: number;
  readonly controlled: Controlled;
  readonly measurements: MeasurementRuns;
  readonly health: Health;
  readonly reflection: Reflection;
}

/** A server that listens. */
export interface Endpoint {
  /** Waits for the calls in progress; once `force` is aborted, cuts them. */
  close(force: AbortSignal): Promise<void>;
}

/** A server with every service; it does not listen yet. */
export function createGrpcServer(served: Served, context: RpcContext, mostStreams: number): Server {
  const { cache, watches, book, providers, heartbeatInterval, controlled, measurements, health, reflection } = served;
  const server = new Server({
    'grpc.max_receive_message_length': limits.requestBytes,
    'grpc.max_concurrent_streams': mostStreams,
    // Bookkeeping for a debugging service that is not served; it costs every call a little.
    'grpc.enable_channelz': 0,
  });
  server.addService(gpuServiceDefinition, createGpuService(cache, watches, providers, context));
  server.addService(deviceDetailsDefinition, createDeviceDetails(cache, book, context));
  server.addService(providerRegistryDefinition, createProviderRegistry(cache, providers, heartbeatInterval, context));
  server.addService(daemonControlDefinition, createDaemonControl(controlled, context));
  server.addService(measurementsDefinition, createMeasurements(cache, measurements, context));
  health.addTo(server, context);
  reflection.addTo(server);
  addFastReads(server, createFastReads(cache, context));
  limitStreams(server, mostStreams);
  return server;
}

/**
 * Listens on a Unix socket.
 *
 * @throws CodedError when the path cannot be claimed or the socket cannot be restricted
 */
export async function listenOnSocket(server: Server, path: string, mode: number, group: string): Promise<Endpoint> {
  await claimSocket(path);
  // Nobody else may connect before the mode is set.
  const umask = process.umask(0o177);
  try {
    await bind(server, `unix:${resolve(path)}`, ServerCredentials.createInsecure());
  } catch (error) {
    throw socketRefused(path, messageOf(error), 'unix-socket');
  } finally {
    process.umask(umask);
  }
  const inode = socketInode(path) ?? 0;
  try {
    restrictSocket(path, mode, group);
  } catch (error) {
    server.forceShutdown();
    removeSocket(path, inode);
    throw error;
  }
  return {
    async close(force) {
      await sparingOthers(path, inode, () => shutDown(server, force));
      removeSocket(path, inode);
    },
  };
}

/**
 * Listens on TCP, with TLS where files are given.
 *
 * @throws CodedError when a file is wrong, or it cannot listen
 */
export async function listenOnTcp(
  server: Server,
  address: string,
  tls: TlsFiles | undefined,
): Promise<Endpoint & { port: number }> {
  const credentials = tls ? tlsCredentials(tls) : ServerCredentials.createInsecure();
  try {
    const port = await bind(server, address, credentials);
    return { port, close: (force) => shutDown(server, force) };
  } catch (error) {
    const reason = messageOf(error);
    throw reason.includes('EADDRINUSE') ? addressInUse('grpc', address) : addressRefused('grpc', address, reason);
  }
}

function bind(server: Server, target: string, how: ServerCredentials): Promise<number> {
  return new Promise((bound, failed) => {
    server.bindAsync(target, how, (error, port) => {
      if (error) return failed(error);
      limitConnections(server, limits.connections);
      bound(port);
    });
  });
}
