// A node's daemon for the tests of the command line: a real gRPC server on a real socket, with a small cache behind it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerWritableStream, type ServiceError, status } from '@grpc/grpc-js';
import { DaemonControlService, GetStatusResponse } from '../../src/wire/gpubroker/device/v1/daemon.ts';
import { Device, DeviceDetailsService } from '../../src/wire/gpubroker/device/v1/device_details.ts';
import {
  type Gpu,
  GpuServiceService,
  type WatchGpusRequest,
  type WatchGpusResponse,
} from '../../src/wire/nvidia/device/v1alpha1/gpu.ts';

type Watcher = ServerWritableStream<WatchGpusRequest, WatchGpusResponse>;

/** A running daemon, and what it serves. */
export interface NodeServer {
  readonly socket: string;
  readonly gpus: Map<string, Gpu>;
  readonly devices: Device[];
  /** What `GetStatus` answers. */
  status: GetStatusResponse;
  version: bigint;
  /** The versions that watches asked for. */
  readonly watchedFrom: string[];
  /** Watches from a version before this one are out of range. */
  oldest: bigint;
  /** When set, every call fails with it. */
  failure?: Pick<ServiceError, 'code' | 'details'>;
  /** When set, no call is ever answered. */
  silent: boolean;
  /** Stores the GPU at the next version, and tells the watchers. */
  put(gpu: Gpu): void;
  remove(name: string): void;
  /** Cuts every connection, and serves on the same socket again. */
  restart(): Promise<void>;
  stop(): void;
}

/** A GPU named `name` with these conditions, each `Type=Status` or `Type=Status:Reason`. */
export function gpu(name: string, ...conditions: string[]): Gpu {
  return {
    metadata: { name, resourceVersion: '', namespace: '' },
    spec: { uuid: name.toUpperCase() },
    status: {
      conditions: conditions.map((text) => {
        const [type = '', state = ''] = text.split('=');
        const [word = '', reason = ''] = state.split(':');
        return {
          type,
          status: word,
          lastTransitionTime: new Date('2026-01-02T03:04:05Z'),
          reason,
          message: reason && `${reason} it is`,
        };
      }),
      recommendedAction: '',
    },
    resourceVersion: 0n,
  };
}

export async function startNodeServer(options: { withDetails?: boolean } = {}): Promise<NodeServer> {
  const folder = mkdtempSync(join(tmpdir(), 'node-'));
  const socket = join(folder, 'device.sock');
  const watchers = new Set<Watcher>();
  let server: Server;

  const node: NodeServer = {
    socket,
    gpus: new Map(),
    devices: [],
    status: GetStatusResponse.fromPartial({
      daemon: 'agent',
      version: '1.2.3',
      nodeName: 'node-1',
      ready: true,
      logLevel: 'info',
    }),
    version: 0n,
    watchedFrom: [],
    oldest: 0n,
    silent: false,
    put(changed) {
      const name = changed.metadata?.name ?? '';
      node.version += 1n;
      changed.resourceVersion = node.version;
      if (changed.metadata) changed.metadata.resourceVersion = String(node.version);
      const type = node.gpus.has(name) ? 'MODIFIED' : 'ADDED';
      node.gpus.set(name, changed);
      for (const watcher of watchers) watcher.write({ type, object: changed });
    },
    remove(name) {
      const gone = node.gpus.get(name);
      node.gpus.delete(name);
      node.version += 1n;
      for (const watcher of watchers) {
        watcher.write({ type: 'DELETED', object: gone && { ...gone, resourceVersion: node.version } });
      }
    },
    async restart() {
      server.forceShutdown();
      watchers.clear();
      rmSync(socket, { force: true });
      server = await serve();
    },
    stop() {
      server.forceShutdown();
      rmSync(folder, { recursive: true, force: true });
    },
  };

  /** Answers unless the node plays a fault. */
  function answer<Request, Response>(make: (request: Request) => Response) {
    return (call: { request: Request }, done: (error: Partial<ServiceError> | null, response?: Response) => void) => {
      if (node.silent) return;
      if (node.failure) {
        done(node.failure);
        return;
      }
      try {
        done(null, make(call.request));
      } catch {
        done({ code: status.NOT_FOUND, details: 'no such GPU' });
      }
    };
  }

  function find<Item>(item: Item | undefined): Item {
    if (item === undefined) throw new Error('not found');
    return item;
  }

  function watch(call: Watcher): void {
    const from = call.request.opts?.resourceVersion ?? '';
    node.watchedFrom.push(from);
    if (BigInt(from || 0) < node.oldest) {
      call.emit('error', { code: status.OUT_OF_RANGE, details: 'too old' });
      return;
    }
    watchers.add(call);
    call.on('cancelled', () => watchers.delete(call));
  }

  async function serve(): Promise<Server> {
    const next = new Server();
    next.addService(GpuServiceService, {
      getGpu: answer(({ name }: { name: string }) => ({ gpu: find(node.gpus.get(name.toLowerCase())) })),
      listGpus: answer(() => ({
        gpuList: { metadata: { resourceVersion: String(node.version) }, items: [...node.gpus.values()] },
      })),
      watchGpus: watch,
    });
    next.addService(DaemonControlService, {
      getStatus: answer(() => node.status),
      setLogLevel: answer(({ level }: { level: string }) => {
        const previous = node.status.logLevel;
        node.status.logLevel = level;
        return { previous };
      }),
    });
    if (options.withDetails ?? true) {
      next.addService(DeviceDetailsService, {
        listDevices: answer(() => ({ devices: node.devices })),
        getDevice: answer(({ name }: { name: string }) => ({
          device: find(node.devices.find((device) => device.name === name.toLowerCase())),
        })),
      });
    }
    await new Promise<void>((resolve, reject) => {
      next.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    return next;
  }

  server = await serve();
  return node;
}

/** The record of an H100 that runs one process. */
export function h100(name: string): Device {
  return Device.fromPartial({
    name,
    source: 'nvml',
    vendor: 'nvidia',
    index: 0,
    uuid: name.toUpperCase(),
    serial: '123456',
    model: 'NVIDIA H100 80GB HBM3',
    architecture: 'hopper',
    pci: {
      busId: '00000000:3B:00.0',
      deviceId: 0x233010de,
      linkGeneration: 4,
      maxLinkGeneration: 5,
      maxLinkWidth: 16,
    },
    memory: { totalBytes: 85_899_345_920n, reservedBytes: 1_073_741_824n },
    computeCapability: '9.0',
    driverVersion: '550.1',
    cudaVersion: '12.4',
    clocks: { maxSmMhz: 1980 },
    powerLimits: { enforcedMilliwatts: 700_000 },
    nvlinks: [
      { link: 0, active: true, version: 4, remoteBusId: '00000000:05:00.0' },
      { link: 1, active: false },
    ],
    ecc: { enabled: true, pending: true },
    mig: { enabled: false, pending: false, instanceUuids: [] },
    processes: [{ pid: 4711, kind: 1, usedMemoryBytes: 1_610_612_736n }],
    readings: {
      time: new Date('2026-01-02T03:04:05Z'),
      utilizationPercent: 37,
      memoryUsedBytes: 1_610_612_736n,
      temperatureCelsius: 45,
      powerMilliwatts: 312_400,
    },
  });
}
