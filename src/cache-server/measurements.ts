// Measurements: measures GPUs for as long as somebody waits for it, and shows what was measured before.
import { Metadata, type ServerWritableStream, status } from '@grpc/grpc-js';
import {
  type ListMeasurementsRequest,
  ListMeasurementsResponse,
  type Measurement,
  MeasurementsService,
  type RunMeasurementRequest,
  RunMeasurementResponse,
} from '../wire/gpubroker/device/v1/measurement.ts';
import type { Cache } from './cache.ts';
import { toFrame } from './encoding.ts';
import { CacheError } from './errors.ts';
import { encoded, expectWritable, type RpcContext, serverStream, unary } from './rpc.ts';
import { readName } from './write.ts';

export const measurementsName = 'gpubroker.device.v1.Measurements';
/** The methods of Measurements with answers that are bytes already. */
export const measurementsDefinition = encoded(MeasurementsService);

/** Who measures. */
export interface Measuring {
  /** Measures until all is done or `stop` is aborted. Throws CacheError, from the iterator. */
  run(request: RunMeasurementRequest, stop: AbortSignal): AsyncIterable<RunMeasurementResponse>;
  /** What is kept, the newest first: of all GPUs or of one, at most `limit` of each, or all where that is 0. */
  list(gpu: string | undefined, limit: number): Promise<Measurement[]>;
}

type RunCall = ServerWritableStream<RunMeasurementRequest, Buffer>;

/** The measurements that clients wait for: each ends with its call, and all of them with the daemon. */
export class MeasurementRuns {
  readonly #measuring: Measuring;
  readonly #stops = new Set<AbortController>();

  constructor(measuring: Measuring) {
    this.#measuring = measuring;
  }

  list(gpu: string, limit: number): Promise<Measurement[]> {
    return this.#measuring.list(gpu === '' ? undefined : gpu, limit);
  }

  /** Measures for a call, and resolves when both are over. Throws CacheError. */
  async run(request: RunMeasurementRequest, call: RunCall): Promise<status> {
    const stop = new AbortController();
    this.#stops.add(stop);
    // Comes at the end of every call, however it ended.
    call.on('cancelled', () => stop.abort());
    try {
      await tell(call, this.#measuring.run(request, stop.signal));
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      this.#stops.delete(stop);
    }
    return stop.signal.aborted ? status.CANCELLED : status.OK;
  }

  /** Stops them, so that nobody waits for a daemon that measures. */
  endAll(): void {
    for (const stop of this.#stops) stop.abort();
  }
}

/** A client that does not read misses how far the work is, never what came of it: that is one message a GPU. */
async function tell(call: RunCall, allNews: AsyncIterable<RunMeasurementResponse>): Promise<void> {
  // Headers at once, so that a client knows that its measurement has begun before there is news.
  call.sendMetadata(new Metadata());
  let isBehind = false;
  call.on('drain', () => {
    isBehind = false;
  });
  for await (const news of allNews) {
    if (isBehind && news.progress) continue;
    isBehind = !call.write(toFrame(RunMeasurementResponse.encode(news)));
  }
}

/** What answers in a daemon that finds no GPUs itself. */
export function measuringNothing(daemon: string): Measuring {
  const refuse = () => {
    throw new CacheError('failed-precondition', `the ${daemon} measures no GPU: the agent does`);
  };
  return { run: refuse, list: async () => refuse() };
}

/** The handlers of one server. */
export function createMeasurements(cache: Cache, runs: MeasurementRuns, context: RpcContext) {
  return {
    runMeasurement: serverStream<RunMeasurementRequest>(
      context,
      measurementsName,
      'RunMeasurement',
      (request, call, refuse, ended) => {
        expectWritable(context);
        runs.run(request, call).then((code) => {
          ended(code);
          if (code === status.OK) call.end();
          else if (!call.cancelled) call.emit('error', { code, details: 'the daemon is stopping' });
        }, refuse);
      },
    ),
    listMeasurements: unary<ListMeasurementsRequest>(
      context,
      measurementsName,
      'ListMeasurements',
      async ({ gpu, limit }, _call, answer) => {
        const found = gpu === '' ? undefined : await nameInCache(cache, readName(gpu, 'gpu'));
        const measurements = await runs.list(found ?? gpu, limit);
        // What was measured of a GPU stays when it goes.
        if (gpu !== '' && found === undefined && measurements.length === 0)
          throw new CacheError('not-found', `no GPU is named ${JSON.stringify(gpu)}`);
        answer(toFrame(ListMeasurementsResponse.encode({ measurements })));
      },
    ),
  };
}

/** The name as the cache has it, for look-ups ignore case; undefined for a GPU that is not there. */
function nameInCache(cache: Cache, name: string): Promise<string | undefined> {
  return new Promise((found) => cache.read((view) => found(view.get(name)?.gpu.name)));
}
