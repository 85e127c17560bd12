// One resource as the kubelet sees it: Kubernetes' DevicePlugin service on a socket of its own.
import { basename } from 'node:path';
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js';
import { CodedError, messageOf } from '../daemon/errors.ts';
import { limitConnections, shutDown } from '../daemon/grpc-internals.ts';
import type { Log } from '../daemon/logger.ts';
import { claimSocket, removeSocket, socketInode, socketRefused, sparingOthers } from '../daemon/socket.ts';
import {
  type AllocateRequest,
  type AllocateResponse,
  type DevicePluginOptions,
  DevicePluginService,
  type PreferredAllocationRequest,
  type PreferredAllocationResponse,
  type PreStartContainerRequest,
} from '../wire/kubelet/deviceplugin/v1beta1/api.ts';
import { containerAnswer, deviceUnknown, type HandOver, usable } from './allocation.ts';
import { DeviceLists } from './device-lists.ts';
import type { Offer } from './offers.ts';
import { preferred } from './preferred.ts';

// It would write plain text to standard error beside the structured log; its errors reach us as values.
setLogVerbosity(logVerbosity.NONE);

/** What the kubelet is told of each plugin. */
export const pluginOptions: DevicePluginOptions = { preStartRequired: false, getPreferredAllocationAvailable: true };

export interface PluginServerOptions extends HandOver {
  /** The name of the resource. */
  readonly resource: string;
  /** The path of the socket. */
  readonly socket: string;
  readonly log: Log;
  /** Called for every container that was to be given devices. */
  readonly onAllocate: (result: 'given' | 'refused') => void;
}

/** The kubelet alone connects, once. */
const limits = { connections: 16, streams: 64 };

/** Serves one resource; may be closed, and opened again. */
export class PluginServer {
  readonly #options: PluginServerOptions;
  readonly #lists = new DeviceLists(limits.streams);
  #offers: readonly Offer[] = [];
  #server: Server | undefined;
  #inode = 0;

  constructor(options: PluginServerOptions) {
    this.#options = options;
  }

  get resource(): string {
    return this.#options.resource;
  }

  /** The name of the socket, by which the kubelet finds it beside its own. */
  get endpoint(): string {
    return basename(this.#options.socket);
  }

  get offers(): readonly Offer[] {
    return this.#offers;
  }

  /** How many follow the list of devices: one, the kubelet. */
  get followers(): number {
    return this.#lists.size;
  }

  /** Whether the socket is there, and still this one's: the kubelet removes every socket when it starts. */
  get isServing(): boolean {
    return this.#server !== undefined && socketInode(this.#options.socket) === this.#inode;
  }

  /** Changes what is offered; the kubelet hears of it at once. */
  offer(offers: readonly Offer[]): void {
    this.#offers = offers;
    this.#lists.show(offers);
  }

  /**
   * Begins to serve; in place of a socket of a process that has died.
   *
   * @throws CodedError when it cannot listen
   */
  async open(): Promise<void> {
    const { socket } = this.#options;
    await this.close(AbortSignal.abort());
    await claimSocket(socket, 'kubelet-socket');
    const server = this.#create();
    // The kubelet runs as root; nobody else has business here.
    const umask = process.umask(0o177);
    try {
      await bind(server, socket);
    } catch (error) {
      throw socketRefused(socket, messageOf(error), 'kubelet-socket');
    } finally {
      process.umask(umask);
    }
    this.#server = server;
    this.#inode = socketInode(socket) ?? 0;
    this.#options.log.info({ resource: this.resource, socket }, 'serving a resource');
  }

  /** Stops to serve; the kubelet then holds all devices for unhealthy. */
  async close(force: AbortSignal): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const { socket } = this.#options;
    this.#lists.endAll();
    await sparingOthers(socket, this.#inode, () => shutDown(server, force));
    removeSocket(socket, this.#inode);
  }

  #create(): Server {
    const server = new Server({ 'grpc.max_concurrent_streams': limits.streams, 'grpc.enable_channelz': 0 });
    server.addService(DevicePluginService, {
      getDevicePluginOptions: this.#unary(() => pluginOptions),
      listAndWatch: this.#lists.follow,
      getPreferredAllocation: this.#unary((request: PreferredAllocationRequest) => this.#prefer(request)),
      allocate: this.#unary((request: AllocateRequest) => this.#allocate(request)),
      preStartContainer: this.#unary((request: PreStartContainerRequest) => this.#preStart(request)),
    });
    return server;
  }

  /** A refusal reaches the events of the pod, so it says what to do. */
  #unary<Request, Response>(answer: (request: Request) => Response) {
    return ({ request }: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>) => {
      try {
        done(null, answer(request));
      } catch (error) {
        this.#options.log.warn({ resource: this.resource, err: error }, 'a call of the kubelet was refused');
        done({ code: codeOf(error), details: detailsOf(error) });
      }
    };
  }

  #prefer({ containerRequests }: PreferredAllocationRequest): PreferredAllocationResponse {
    const containerResponses = containerRequests.map(
      ({ availableDeviceIDs: available, mustIncludeDeviceIDs: required, allocationSize: size }) => ({
        deviceIDs: preferred(this.#offers, { available, required, size }),
      }),
    );
    return { containerResponses };
  }

  /** All containers are checked before any is answered: the kubelet uses the whole answer or nothing. */
  #allocate({ containerRequests }: AllocateRequest): AllocateResponse {
    const { log, onAllocate } = this.#options;
    try {
      const chosen = containerRequests.map(({ devicesIds }) => usable(this.resource, this.#offers, devicesIds));
      const containerResponses = chosen.map((offers) => containerAnswer(offers, this.#options));
      for (const offers of chosen) {
        log.info({ resource: this.resource, devices: offers.map(({ id }) => id) }, 'devices given to a container');
        onAllocate('given');
      }
      return { containerResponses };
    } catch (error) {
      for (const _ of containerRequests) onAllocate('refused');
      throw error;
    }
  }

  #preStart({ devicesIds }: PreStartContainerRequest) {
    usable(this.resource, this.#offers, devicesIds);
    return {};
  }
}

function bind(server: Server, socket: string): Promise<void> {
  return new Promise((bound, failed) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (error) return failed(error);
      limitConnections(server, limits.connections);
      bound();
    });
  });
}

function codeOf(error: unknown): status {
  if (error instanceof RangeError) return status.INVALID_ARGUMENT;
  if (!(error instanceof CodedError)) return status.INTERNAL;
  return error.code === unknownCode ? status.INVALID_ARGUMENT : status.FAILED_PRECONDITION;
}

const unknownCode = deviceUnknown('', '').code;

function detailsOf(error: unknown): string {
  return error instanceof CodedError ? `${error.message} [${error.code}]. ${error.advice}` : messageOf(error);
}
