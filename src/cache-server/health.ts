// gRPC's health service. Written here, like reflection.ts, because the ready-made packages bring a second protobuf
// implementation that parses .proto files at start: 13 MB of memory in every daemon, which also slows each full
// garbage collection (docs/measurements says how that was measured).
import type { Server } from '@grpc/grpc-js';
import {
  type HealthCheckRequest,
  HealthCheckResponse,
  HealthListResponse,
  HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../wire/grpc/health/v1/health.ts';
import { toFrame } from './encoding.ts';
import { CacheError, quoted } from './errors.ts';
import { encoded, type RpcContext, serverStream, unary } from './rpc.ts';
import { WatchStreams } from './watch-streams.ts';

const serviceName = 'grpc.health.v1.Health';
/** Changes that a watcher may lag behind; there are few, and only the latest counts. */
const queueSize = 16;
const ignoreStreams = { streamOpened: () => undefined, streamClosed: () => undefined };

/** Whether each service may be called; shared by all servers of the daemon. */
export class Health {
  readonly #serving = new Map<string, boolean>();
  readonly #watchers = new Map<string, WatchStreams>();

  /** Sets how a service is; the empty name stands for the server as a whole. */
  set(service: string, serving: boolean): void {
    if (this.#serving.get(service) === serving) return;
    this.#serving.set(service, serving);
    this.#watchers.get(service)?.offer(responseOf(this.#statusOf(service)));
  }

  endAll(): void {
    for (const streams of this.#watchers.values()) streams.endAll();
  }

  addTo(server: Server, context: RpcContext): void {
    server.addService(encoded(HealthService), {
      check: unary<HealthCheckRequest>(context, serviceName, 'Check', ({ service }, _call, answer) => {
        if (!this.#serving.has(service)) throw unknownService(service);
        answer(responseOf(this.#statusOf(service)));
      }),
      list: unary(context, serviceName, 'List', (_request, _call, answer) => {
        const names = [...this.#serving.keys()];
        const statuses = Object.fromEntries(names.map((name) => [name, { status: this.#statusOf(name) }]));
        answer(toFrame(HealthListResponse.encode(HealthListResponse.fromPartial({ statuses }))));
      }),
      watch: serverStream<HealthCheckRequest>(context, serviceName, 'Watch', ({ service }, call, _refuse, ended) => {
        this.#streamsOf(service).begin(call, [responseOf(this.#statusOf(service))], ended);
      }),
    });
  }

  #statusOf(service: string): ServingStatus {
    const serving = this.#serving.get(service);
    if (serving === undefined) return ServingStatus.SERVICE_UNKNOWN;
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  /** Watches of unknown services share one set: their names come from clients and would fill the memory. */
  #streamsOf(service: string): WatchStreams {
    const key = this.#serving.has(service) ? service : 'unknown';
    let streams = this.#watchers.get(key);
    if (!streams) {
      streams = new WatchStreams(queueSize, ignoreStreams);
      this.#watchers.set(key, streams);
    }
    return streams;
  }
}

function responseOf(serving: ServingStatus): Buffer {
  return toFrame(HealthCheckResponse.encode({ status: serving }));
}

function unknownService(service: string): CacheError {
  return new CacheError('not-found', `no service is named ${quoted(service)}`);
}
