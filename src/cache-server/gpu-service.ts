// NVIDIA's GpuService over the cache. Answers are bytes that were encoded when the GPU last changed.
import { type handleServerStreamingCall, type handleUnaryCall, type ServerWritableStream, status } from '@grpc/grpc-js';
import { Empty } from '../wire/google/protobuf/empty.ts';
import {
  type CreateGpuRequest,
  type DeleteGpuRequest,
  GetGpuRequest,
  GpuServiceService,
  ListGpusRequest,
  type UpdateGpuRequest,
  type UpdateGpuStatusRequest,
  type WatchGpusRequest,
} from '../wire/nvidia/device/v1alpha1/gpu.ts';
import type { Cache, CacheView, Written } from './cache.ts';
import { createdResponse, toFrame } from './encoding.ts';
import { CacheError } from './errors.ts';
import type { FastRead } from './fast-reads.ts';
import type { GpuWatches } from './gpu-watches.ts';
import type { Providers } from './providers/providers.ts';
import { encoded, expectWritable, fastRead, providerOf, type RpcContext, serverStream, unary } from './rpc.ts';
import { readCreate, readDelete, readName, readStatusUpdate, readUpdate, readVersion, type Write } from './write.ts';

/** The service's full name, as health checks ask for it. */
export const gpuServiceName = 'nvidia.device.v1alpha1.GpuService';

/** The methods of GpuService with answers that are bytes already. */
export const gpuServiceDefinition = encoded(GpuServiceService);

const nothing = toFrame(Empty.encode({}));

/** A read: the frame that answers a request, from the cache as it is. */
type Read<Q> = (request: Q, view: CacheView) => Buffer;

const getGpu: Read<GetGpuRequest> = ({ name, opts }, view) => {
  expectNotFromTheFuture(opts, view);
  const entry = view.get(readName(name, 'name'));
  if (!entry) throw new CacheError('not-found', `no GPU is named ${JSON.stringify(name)}`);
  return entry.response;
};

const listGpus: Read<ListGpusRequest> = ({ opts }, view) => {
  expectNotFromTheFuture(opts, view);
  return view.list();
};

/** Runs a read in the caller's own turn unless a write is pending. */
function runRead<Q>(
  cache: Cache,
  read: Read<Q>,
  request: Q,
  answer: (frame: Buffer) => void,
  refuse: (error: unknown) => void,
): void {
  cache.read((view) => {
    let frame: Buffer;
    try {
      frame = read(request, view);
    } catch (error) {
      refuse(error);
      return;
    }
    answer(frame);
  });
}

/** The two hot reads, for the short way. */
export function createFastReads(cache: Cache, context: RpcContext): FastRead[] {
  const fast = <Q>(method: string, decode: (bytes: Buffer) => Q, read: Read<Q>) =>
    fastRead(context, gpuServiceName, method, decode, (request: Q, answer, refuse) =>
      runRead(cache, read, request, answer, refuse),
    );
  return [
    fast('GetGpu', (bytes) => GetGpuRequest.decode(bytes), getGpu),
    fast('ListGpus', (bytes) => ListGpusRequest.decode(bytes), listGpus),
  ];
}

/** The handlers of one server; several servers may share a cache. */
export function createGpuService(cache: Cache, watches: GpuWatches, providers: Providers, context: RpcContext) {
  const reads = <Q>(method: string, read: Read<Q>): handleUnaryCall<Q, Buffer> =>
    unary<Q>(context, gpuServiceName, method, (request, _call, answer, refuse) =>
      runRead(cache, read, request, answer, refuse),
    );

  /** A method that writes: accepted here, answered when the write is stored and visible. */
  const writes = <Q>(
    method: string,
    toWrite: (request: Q, provider: string) => Write,
    toBytes: (written: Written) => Buffer,
  ): handleUnaryCall<Q, Buffer> =>
    unary<Q>(context, gpuServiceName, method, async (request, call, answer) => {
      expectWritable(context);
      const provider = providerOf(call.metadata);
      const write = toWrite(request, provider);
      providers.heard(provider);
      answer(toBytes(await cache.write(write)));
    });

  const watch: handleServerStreamingCall<WatchGpusRequest, Buffer> = serverStream<WatchGpusRequest>(
    context,
    gpuServiceName,
    'WatchGpus',
    ({ opts }, call, refuse, ended) => {
      const after = readVersion(opts?.resourceVersion ?? '', 'opts.resource_version');
      cache.read((view) => {
        // The client may have gone while a write was pending.
        if (call.cancelled) return ended(status.CANCELLED);
        try {
          watches.begin(call, after, view, ended);
        } catch (error) {
          refuse(error);
        }
      });
    },
  );

  return {
    getGpu: reads('GetGpu', getGpu),
    listGpus: reads('ListGpus', listGpus),
    watchGpus: watch as (call: ServerWritableStream<WatchGpusRequest, Buffer>) => void,
    createGpu: writes<CreateGpuRequest>('CreateGpu', readCreate, ({ entry, change }) =>
      change === 'ADDED' ? createdResponse(entry.bytes) : entry.response,
    ),
    updateGpu: writes<UpdateGpuRequest>('UpdateGpu', readUpdate, ({ entry }) => entry.response),
    updateGpuStatus: writes<UpdateGpuStatusRequest>('UpdateGpuStatus', readStatusUpdate, ({ entry }) => entry.response),
    deleteGpu: writes<DeleteGpuRequest>('DeleteGpu', readDelete, () => nothing),
  };
}

/** A reader that names a version wants nothing older; the cache always answers with its newest. */
function expectNotFromTheFuture(opts: { resourceVersion: string } | undefined, view: CacheView): void {
  const asked = readVersion(opts?.resourceVersion ?? '', 'opts.resource_version');
  if (asked <= BigInt(view.version())) return;
  throw new CacheError('out-of-range', `version ${asked} is from the future; the cache is at ${view.version()}`);
}
