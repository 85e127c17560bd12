// Calls to the daemon of a node, each with a deadline, with errors that say what to do.
import { readFileSync } from 'node:fs';
import {
  type Client,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { formatDuration } from '../daemon/duration.ts';
import { type CodedError, messageOf } from '../daemon/errors.ts';
import { isServiceError, type Unary, unary } from '../daemon/grpc-call.ts';
import { DaemonControlClient, type GetStatusResponse } from '../wire/gpubroker/device/v1/daemon.ts';
import { type Device, DeviceDetailsClient } from '../wire/gpubroker/device/v1/device_details.ts';
import {
  type Measurement,
  MeasurementsClient,
  type RunMeasurementRequest,
  type RunMeasurementResponse,
} from '../wire/gpubroker/device/v1/measurement.ts';
import {
  type GetReportsResponse,
  type Provider,
  ProviderRegistryClient,
} from '../wire/gpubroker/device/v1/provider_registry.ts';
import {
  type Gpu,
  type GpuList,
  GpuServiceClient,
  type GpuStatus,
  type WatchGpusResponse,
} from '../wire/nvidia/device/v1alpha1/gpu.ts';
import {
  callFailed,
  daemonDenied,
  daemonLost,
  daemonSilent,
  daemonUnreachable,
  gpuNotFound,
  wrongUsage,
} from './errors.ts';
import { describeNode, type NodeAddress } from './node-address.ts';

/** Notices within half a minute that the other end of an idle watch is gone. */
const channelOptions: Partial<ClientOptions> = {
  // All measurements that a node keeps, in one answer.
  'grpc.max_receive_message_length': 64 * 2 ** 20,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

/** The daemon of one node. Every method throws CodedError; `close` must be called in the end. */
export class NodeClient {
  readonly #node: NodeAddress;
  readonly #timeout: number;
  readonly #gpus: GpuServiceClient;
  readonly #devices: DeviceDetailsClient;
  readonly #control: DaemonControlClient;
  readonly #registry: ProviderRegistryClient;
  readonly #measurements: MeasurementsClient;

  /** `timeout` in milliseconds holds for each call; watches have none. */
  constructor(node: NodeAddress, timeout: number) {
    this.#node = node;
    this.#timeout = timeout;
    const target = node.kind === 'socket' ? `unix:${node.path}` : node.address;
    this.#gpus = new GpuServiceClient(target, credentialsFor(node), channelOptions);
    // One connection serves them all.
    const shared = { ...channelOptions, channelOverride: this.#gpus.getChannel() };
    this.#devices = new DeviceDetailsClient(target, credentialsFor(node), shared);
    this.#control = new DaemonControlClient(target, credentialsFor(node), shared);
    this.#registry = new ProviderRegistryClient(target, credentialsFor(node), shared);
    this.#measurements = new MeasurementsClient(target, credentialsFor(node), shared);
  }

  async listGpus(): Promise<GpuList> {
    const { gpuList } = await this.#call(this.#gpus, this.#gpus.listGpus, { opts: undefined });
    return gpuList ?? { metadata: undefined, items: [] };
  }

  async getGpu(name: string): Promise<Gpu> {
    const { gpu } = await this.#call(this.#gpus, this.#gpus.getGpu, { name, opts: undefined }, name);
    if (!gpu) throw gpuNotFound(name);
    return gpu;
  }

  /** Events after `version`. A stream that fails emits a `ServiceError`; {@link explain} makes sense of it. */
  watchGpus(version: string): ClientReadableStream<WatchGpusResponse> {
    return this.#gpus.watchGpus({ opts: { resourceVersion: version, namespace: '' } });
  }

  /** The hardware records; none if the daemon speaks NVIDIA's device API only. */
  async listDevices(): Promise<readonly Device[]> {
    const answer = await this.#callIfKnown(this.#devices, this.#devices.listDevices, {});
    return answer?.devices ?? [];
  }

  /** The hardware record; undefined as in {@link listDevices}, or if there is none of that name. */
  async getDevice(name: string): Promise<Device | undefined> {
    const answer = await this.#callIfKnown(this.#devices, this.#devices.getDevice, { name });
    return answer?.device;
  }

  getStatus(): Promise<GetStatusResponse> {
    return this.#call(this.#control, this.#control.getStatus, {});
  }

  /** Returns the level before. */
  async setLogLevel(level: string): Promise<string> {
    const { previous } = await this.#call(this.#control, this.#control.setLogLevel, { level });
    return previous;
  }

  /** Declares that a GPU was reset; returns how long it has to be quiet from now on, in milliseconds. */
  async declareReset(name: string): Promise<number> {
    const { quietPeriodMillis } = await this.#call(this.#control, this.#control.declareReset, { name }, name);
    return quietPeriodMillis;
  }

  /** Who has registered, and who reports besides. */
  async listProviders(): Promise<readonly Provider[]> {
    const { providers } = await this.#call(this.#registry, this.#registry.listProviders, {});
    return providers;
  }

  /** What each provider reports on a GPU. */
  getReports(name: string): Promise<GetReportsResponse> {
    return this.#call(this.#registry, this.#registry.getReports, { name }, name);
  }

  /** Replaces what a provider reports on a GPU; undefined if the GPU is no longer at that version. */
  async replaceStatus(
    provider: string,
    name: string,
    reported: GpuStatus,
    resourceVersion: bigint,
  ): Promise<Gpu | undefined> {
    const request = { name, status: reported, resourceVersion };
    try {
      const { gpu } = await unary(this.#gpus, this.#gpus.updateGpuStatus, request, this.#timeout, of(provider));
      return gpu;
    } catch (error) {
      if (!isServiceError(error)) throw error;
      if (error.code === status.ABORTED) return undefined;
      throw this.explain(error, name);
    }
  }

  /** Registers a provider; an interval of 0 is the daemon's own. Returns the interval that holds, in milliseconds. */
  async register(provider: string, conditionTypes: string[], intervalMs: number): Promise<number> {
    const request = { conditionTypes, heartbeatIntervalMillis: intervalMs };
    const answer = await this.#call(this.#registry, this.#registry.register, request, '', of(provider));
    return answer.heartbeatIntervalMillis;
  }

  /** Ends the registration of a provider; its conditions turn Unknown, or go. */
  async unregister(provider: string, removeConditions: boolean): Promise<void> {
    await this.#call(this.#registry, this.#registry.unregister, { removeConditions }, '', of(provider));
  }

  /** What is kept of one GPU, or of all where the name is empty; the newest first, at most `limit` of each, 0 for all. */
  async listMeasurements(gpu: string, limit: number): Promise<readonly Measurement[]> {
    const client = this.#measurements;
    const { measurements } = await this.#call(client, client.listMeasurements, { gpu, limit }, gpu);
    return measurements;
  }

  /** Measures until all is done; ends early, and stops the measurement, once `stop` is aborted. */
  async *runMeasurement(request: RunMeasurementRequest, stop: AbortSignal): AsyncGenerator<RunMeasurementResponse> {
    const stream = this.#measurements.runMeasurement(request);
    let isSilent = false;
    const cancel = () => stream.cancel();
    const silence = setTimeout(() => {
      isSilent = true;
      cancel();
    }, this.#timeout);
    stream.once('metadata', () => clearTimeout(silence));
    stop.addEventListener('abort', cancel, { once: true });
    try {
      yield* stream;
    } catch (error) {
      if (stop.aborted) return;
      if (isSilent) throw daemonSilent(describeNode(this.#node), formatDuration(this.#timeout));
      throw isServiceError(error) ? this.explain(error) : error;
    } finally {
      clearTimeout(silence);
      stop.removeEventListener('abort', cancel);
      cancel();
    }
  }

  close(): void {
    this.#gpus.close();
  }

  /** What a failed call means to a person; `name` is the GPU that was asked for. */
  explain({ code, details }: ServiceError, name = ''): CodedError {
    const where = describeNode(this.#node);
    const passedOver = this.#node.kind === 'socket' ? this.#node.passedOver : undefined;
    if (code === status.NOT_FOUND) return gpuNotFound(name || gpuIn(details));
    if (code === status.INVALID_ARGUMENT) return wrongUsage(`the daemon refused: ${details}`);
    if (code === status.DEADLINE_EXCEEDED) return daemonSilent(where, formatDuration(this.#timeout));
    // A daemon that stops cancels its calls.
    if (code === status.CANCELLED) return daemonLost(where);
    if (code === status.UNAVAILABLE) {
      // grpc-js tells a connection that failed from a daemon that answers "unavailable" only in this text.
      const reason = /\b(?:EACCES|EPERM|ENO[A-Z]+|ECONN[A-Z]+|E[A-Z]+UNREACH)\b/.exec(details)?.[0];
      if (reason === 'EACCES' || reason === 'EPERM') return daemonDenied(where, passedOver);
      if (/connection dropped/i.test(details)) return daemonLost(where);
      if (reason !== undefined || /connect/i.test(details)) {
        return daemonUnreachable(where, reason ?? details, passedOver);
      }
    }
    return callFailed(status[code] ?? String(code), details);
  }

  async #call<Request, Response>(
    client: Client,
    method: Unary<Request, Response>,
    request: Request,
    name?: string,
    metadata?: Metadata,
  ): Promise<Response> {
    try {
      return await unary(client, method, request, this.#timeout, metadata);
    } catch (error) {
      throw isServiceError(error) ? this.explain(error, name) : error;
    }
  }

  /** Like `#call`, but undefined if the daemon knows neither the service nor the object. */
  async #callIfKnown<Request, Response>(client: Client, method: Unary<Request, Response>, request: Request) {
    try {
      return await unary(client, method, request, this.#timeout);
    } catch (error) {
      if (!isServiceError(error)) throw error;
      if (error.code === status.UNIMPLEMENTED || error.code === status.NOT_FOUND) return undefined;
      throw this.explain(error);
    }
  }
}

/** The GPU of which the daemon says that it is not there. */
function gpuIn(details: string): string {
  return /"(.+)"/.exec(details)?.[1] ?? '';
}

/** The metadata of a call that is made as a provider. */
function of(provider: string): Metadata {
  const metadata = new Metadata();
  metadata.set('gpubroker-provider-id', provider);
  return metadata;
}

function credentialsFor(node: NodeAddress) {
  if (node.kind === 'socket' || node.caFile === undefined) return credentials.createInsecure();
  try {
    return credentials.createSsl(readFileSync(node.caFile));
  } catch (error) {
    throw wrongUsage(`--tls-ca: ${messageOf(error)}`);
  }
}
