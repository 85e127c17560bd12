// The one door to what grpc-js keeps private of a server: its HTTP/2 streams and connections. Each function says why
// the public interface does not do; should a later grpc-js be built in another way, each does nothing, and the tests of
// slow watchers, hostile clients and forced stops say so.
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server, ServerDuplexStream, ServerWritableStream, StatusObject } from '@grpc/grpc-js';

type StreamHandler = (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Internals {
  _streamHandler?: StreamHandler;
  readonly http2Servers?: Map<Http2Server, { readonly sessions?: Set<ServerHttp2Session> }>;
}

/** What lies under a streaming call. */
export interface Transport {
  sendStatus(status: Partial<StatusObject>): void;
  readonly stream: ServerHttp2Stream;
}

interface ReadingTransport extends Transport {
  startRead(): void;
  readonly decoder?: { maxReadMessageLength: number };
}

/**
 * Offers every new stream to `take` before grpc-js sees it; those for which it returns true are its own. To be called
 * before the server listens. (grpc-js has interceptors, but they come after all that a call costs there.)
 */
export function interceptStreams(
  server: Server,
  take: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean,
): void {
  const internals = server as unknown as Internals;
  const others = internals._streamHandler;
  if (typeof others !== 'function') return;
  internals._streamHandler = (interceptors, stream, headers) => {
    if (!take(stream, headers)) others.call(server, interceptors, stream, headers);
  };
}

/** Bounds the connections of a server that listens; a further one is closed at once. (grpc-js has no such limit.) */
export function limitConnections(server: Server, most: number): void {
  for (const http2 of (server as unknown as Internals).http2Servers?.keys() ?? []) http2.maxConnections = most;
}

/** Ends every connection. (forceShutdown does not: without channelz, grpc-js 1.14 keeps no list of them for it.) */
export function cutConnections(server: Server): void {
  for (const { sessions = [] } of (server as unknown as Internals).http2Servers?.values() ?? []) {
    for (const session of sessions) session.destroy();
  }
}

/**
 * The transport of a streaming call. (Written through the call, each message would be copied for every watcher; and an
 * error emitted on it waits behind the buffered messages of a reader that has stopped, for ever.)
 */
export function transportOf(call: ServerWritableStream<unknown, Buffer>): Transport {
  return (call as unknown as { call: Transport }).call;
}

/** The transport of a call to which both sides send. */
export function duplexTransportOf(call: ServerDuplexStream<Buffer, Buffer>): Transport {
  return (call as unknown as { call: Transport }).call;
}

/**
 * Hands over the messages of a call one by one: each only after the returned function was called. (The call itself
 * would read sixteen ahead, of whatever size.)
 *
 * @param onMessage may call for the next one at once
 * @param onEnd called once, when the other side has sent its last message
 */
export function readOneByOne(
  call: ServerDuplexStream<Buffer, Buffer>,
  onMessage: (message: Buffer) => void,
  onEnd: () => void,
): () => void {
  const { call: transport } = call as unknown as { call: ReadingTransport };
  call.push = (message: Buffer | null) => {
    if (message === null) onEnd();
    else onMessage(message);
    return false;
  };
  let reading = false;
  let again = false;
  // A message that waits already comes while startRead runs: asked for in a loop, or a thousand of them would be as
  // many calls deep.
  return () => {
    again = true;
    if (reading) return;
    reading = true;
    while (again) {
      again = false;
      transport.startRead();
    }
    reading = false;
  };
}

/** Bounds the messages of one call, in bytes. (The server's option is one for all methods, for strangers too.) */
export function limitMessages(call: object, bytes: number): void {
  const { decoder } = call as ReadingTransport;
  if (decoder) decoder.maxReadMessageLength = bytes;
}
