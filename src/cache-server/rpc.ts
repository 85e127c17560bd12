// What every call has in common: its code when it is refused, its counters, its line in the log.
import type { IncomingHttpHeaders } from 'node:http2';
import {
  type handleUnaryCall,
  type Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import type { Log } from '../daemon/logger.ts';
import { messageOf } from './encoding.ts';
import { CacheError, type Refusal } from './errors.ts';
import { answer, type FastRead, refuse } from './fast-reads.ts';
import type { RpcMetrics } from './rpc-metrics.ts';
import { defaultProvider, readProvider } from './write.ts';

const codes: Readonly<Record<Refusal, status>> = {
  'invalid-argument': status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  conflict: status.ABORTED,
  'failed-precondition': status.FAILED_PRECONDITION,
  'out-of-range': status.OUT_OF_RANGE,
  exhausted: status.RESOURCE_EXHAUSTED,
  forbidden: status.PERMISSION_DENIED,
};

/** What the calls of one server share. */
export interface RpcContext {
  readonly metrics: RpcMetrics;
  readonly log: Log;
  /** Whether this server takes writes; TCP does not unless it is told to. */
  readonly writable: boolean;
}

/** A request whose bytes are not a message of its type. */
const malformed = Symbol('malformed');

/**
 * A service whose handlers answer with frames. Requests that do not parse reach the handler as {@link malformed} and so
 * become INVALID_ARGUMENT, where grpc-js would answer INTERNAL.
 */
export function encoded<Service extends ServiceDefinition>(service: Service): ServiceDefinition {
  const methods = Object.entries(service).map(([name, method]) => [
    name,
    {
      ...method,
      requestDeserialize: tolerant(method.requestDeserialize),
      responseSerialize: messageOf,
    },
  ]);
  return Object.fromEntries(methods) as ServiceDefinition;
}

function tolerant<Q>(decode: (bytes: Buffer) => Q): (bytes: Buffer) => Q {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch {
      return malformed as Q;
    }
  };
}

/** A unary method that answers with a frame. One of `answer` and `refuse` is called once, in this turn or later; to throw is to refuse. */
export function unary<Q>(
  context: RpcContext,
  service: string,
  method: string,
  handle: (
    request: Q,
    call: ServerUnaryCall<Q, Buffer>,
    answer: (frame: Buffer) => void,
    refuse: (error: unknown) => void,
  ) => void | Promise<void>,
): handleUnaryCall<Q, Buffer> {
  const record = context.metrics.method('unary', service, method);
  return (call, callback) => {
    const start = record.started();
    const answer = (frame: Buffer) => {
      record.handled(start, status.OK);
      callback(null, frame);
      logCall(context.log, method, call, status.OK);
    };
    const refuse = (error: unknown) => {
      const { code, details } = statusOf(error, context.log, method);
      record.handled(start, code);
      callback({ code, details });
      logCall(context.log, method, call, code, details);
    };
    try {
      refuseMalformed(call.request);
      handle(call.request, call, answer, refuse)?.catch(refuse);
    } catch (error) {
      refuse(error);
    }
  };
}

/** The short way of a read that `read` answers; see fast-reads.ts. */
export function fastRead<Q>(
  context: RpcContext,
  service: string,
  method: string,
  decode: (bytes: Buffer) => Q,
  read: (request: Q, answer: (frame: Buffer) => void, refuse: (error: unknown) => void) => void,
): FastRead {
  const record = context.metrics.method('unary', service, method);
  const parse = tolerant(decode);
  return {
    path: `/${service}/${method}`,
    handle(message, headers, stream) {
      const start = record.started();
      if (!Buffer.isBuffer(message)) {
        record.handled(start, message.code);
        refuse(stream, message.code, message.details);
        return;
      }
      const request = parse(message);
      const refuseWith = (error: unknown) => {
        const { code, details } = statusOf(error, context.log, method);
        record.handled(start, code);
        refuse(stream, code, details);
        logCall(context.log, method, { metadata: metadataOf(headers), request }, code, details);
      };
      try {
        refuseMalformed(request);
        read(
          request,
          (frame) => {
            record.handled(start, status.OK);
            answer(stream, frame);
            if (context.log.isLevelEnabled('debug')) {
              logCall(context.log, method, { metadata: metadataOf(headers), request }, status.OK);
            }
          },
          refuseWith,
        );
      } catch (error) {
        refuseWith(error);
      }
    },
  };
}

/** Headers as the log reads metadata. */
function metadataOf(headers: IncomingHttpHeaders): { get(name: string): unknown[] } {
  return { get: (name) => [headers[name]] };
}

/** A streaming method; `handle` throws to refuse the call, and calls `ended` when the stream is over. */
export function serverStream<Q>(
  context: RpcContext,
  service: string,
  method: string,
  handle: (
    request: Q,
    call: ServerWritableStream<Q, Buffer>,
    refuse: (error: unknown) => void,
    ended: (code: status) => void,
  ) => void,
): (call: ServerWritableStream<Q, Buffer>) => void {
  const record = context.metrics.method('server_stream', service, method);
  return (call) => {
    const start = record.started();
    const ended = (code: status, details?: string) => {
      record.handled(start, code);
      logCall(context.log, method, call, code, details);
    };
    const refuse = (error: unknown) => {
      const { code, details } = statusOf(error, context.log, method);
      ended(code, details);
      call.emit('error', { code, details });
    };
    try {
      refuseMalformed(call.request);
      handle(call.request, call, refuse, ended);
    } catch (error) {
      refuse(error);
    }
  };
}

/** The provider that a write comes from; throws a CacheError. */
export function providerOf(metadata: Metadata): string {
  const [id] = metadata.get('gpubroker-provider-id');
  return id === undefined ? defaultProvider : readProvider(String(id));
}

/** Throws a CacheError on a server that takes no writes. */
export function expectWritable(context: RpcContext): void {
  if (context.writable) return;
  throw new CacheError('forbidden', 'this address is read-only: write on the Unix socket, or use --grpc-allow-writes');
}

function refuseMalformed(request: unknown): void {
  if (request === malformed) throw new CacheError('invalid-argument', 'the request is not a message of its type');
}

function statusOf(error: unknown, log: Log, method: string): { code: status; details: string } {
  if (error instanceof CacheError) return { code: codes[error.refusal], details: error.message };
  log.error({ err: error, method }, 'a call failed inside the daemon');
  return { code: status.INTERNAL, details: 'the daemon failed to answer; its log says why' };
}

/** One line a call, at level debug: what it was, for which GPU and provider, and what came of it. */
function logCall(
  log: Log,
  method: string,
  call: { metadata: { get(name: string): unknown[] }; request: unknown },
  code: status,
  details?: string,
): void {
  if (!log.isLevelEnabled('debug')) return;
  const { metadata, request } = call;
  log.debug(
    {
      method,
      code: status[code],
      request: metadata.get('x-request-id')[0],
      provider: metadata.get('gpubroker-provider-id')[0],
      gpu: gpuOf(request),
      details,
    },
    'call',
  );
}

function gpuOf(request: unknown): string | undefined {
  const { name, gpu } = request as { name?: string; gpu?: { metadata?: { name?: string } } };
  return name ?? gpu?.metadata?.name;
}
