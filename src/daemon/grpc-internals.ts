// The one door to what grpc-js keeps private: a server's HTTP/2 streams and connections, a client's TLS. Each function says why
// the public interface does not do; should a later grpc-js be built in another way, each does nothing, and the tests of
// slow watchers, hostile clients and forced stops say so.
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { isIP } from 'node:net';
import type { ChannelCredentials, Server, ServerWritableStream, StatusObject } from '@grpc/grpc-js';

type StreamHandler = (interceptors: unknown, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

interface Internals {
  _streamHandler?: StreamHandler;
  onStreamOpened?(stream: ServerHttp2Stream): void;
  readonly http2Servers?: Map<Http2Server, { readonly sessions?: Set<ServerHttp2Session> }>;
}

/** What lies under a streaming call. */
export interface Transport {
  sendStatus(status: Partial<StatusObject>): void;
  readonly stream: ServerHttp2Stream;
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

/**
 * Lets the connection of a stream that was taken count as busy for as long as the stream is open. (grpc-js counts those
 * that it serves itself, and closes a connection that has none for `grpc.max_connection_idle_ms`.)
 */
export function keepBusy(server: Server, stream: ServerHttp2Stream): void {
  (server as unknown as Internals).onStreamOpened?.(stream);
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

/** Waits for the calls in progress; once `force` is aborted, cuts them and waits for nobody: a peer may never close. */
export function shutDown(server: Server, force: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const cut = () => {
      cutConnections(server);
      server.forceShutdown();
      done();
    };
    force.addEventListener('abort', cut, { once: true });
    server.tryShutdown(() => {
      force.removeEventListener('abort', cut);
      done();
    });
    if (force.aborted) cut();
  });
}

/**
 * The transport of a streaming call. (Written through the call, each message would be copied for every watcher; and an
 * error emitted on it waits behind the buffered messages of a reader that has stopped, for ever.)
 */
export function transportOf(call: ServerWritableStream<unknown, Buffer>): Transport {
  return (call as unknown as { call: Transport }).call;
}

interface Connector {
  readonly connectionOptions?: { servername?: string };
}

/**
 * Sends no server name where the server is reached by an IP address: TLS has none for addresses, and Node.js warns.
 * (grpc-js sends the address.) The certificate is checked against the address all the same, for that is the host.
 */
export function withoutNameOfAddress(credentials: ChannelCredentials): ChannelCredentials {
  const internals = credentials as unknown as { _createSecureConnector?: (...of: unknown[]) => Connector };
  const create = internals._createSecureConnector;
  if (typeof create !== 'function') return credentials;
  internals._createSecureConnector = (...of) => {
    const connector = create.apply(credentials, of);
    const { connectionOptions } = connector;
    if (isIP(connectionOptions?.servername ?? '') !== 0 && connectionOptions) connectionOptions.servername = '';
    return connector;
  };
  return credentials;
}
