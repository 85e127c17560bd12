// The short way of the two hot reads, GetGpu and ListGpus: from the HTTP/2 stream to the encoded answer and back.
//
// grpc-js builds some twenty objects, promises and closures for every call, which is half of what a read costs here
// (bench/device-api measures it). A plain unary read needs none of that. Whatever is not plain (a compressed request,
// another content type, another method) goes on to grpc-js, which serves the same two methods as well.
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type Server, status } from '@grpc/grpc-js';
import { interceptStreams } from '../daemon/grpc-internals.ts';
import { frameHeaderLength } from './encoding.ts';
import { limits } from './limits.ts';

/** Why a request is no message. */
export interface FrameProblem {
  readonly code: status;
  readonly details: string;
}

/** One read: it calls {@link answer} or {@link refuse} with the stream, in this turn or later, once. */
export interface FastRead {
  readonly path: string;
  /** `message` is the request without its frame; `headers` are those of the call. */
  handle(message: Buffer | FrameProblem, headers: IncomingHttpHeaders, stream: ServerHttp2Stream): void;
}

const contentType = 'application/grpc+proto';
const okHeaders = { ':status': 200, 'content-type': contentType };
/** The same as Node takes it without a copy; not in its types yet. */
const okHeaderList = [':status', '200', 'content-type', contentType] as unknown as OutgoingHttpHeaders;
const okTrailers: OutgoingHttpHeaders = { 'grpc-status': '0' };
const respondOptions = { waitForTrailers: true, sendDate: false };

/** Puts the reads before grpc-js; to be called before the server listens. */
export function addFastReads(server: Server, reads: readonly FastRead[]): void {
  const byPath = new Map(reads.map((read) => [read.path, read]));
  interceptStreams(server, (stream, headers) => {
    const read = byPath.get(headers[':path'] ?? '');
    if (!read || !isPlain(headers)) return false;
    receive(stream, headers, read);
    return true;
  });
}

function isPlain(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'];
  if (type !== 'application/grpc' && type !== contentType) return false;
  const encoding = headers['grpc-encoding'];
  return encoding === undefined || encoding === 'identity';
}

/** Collects the one message of a call; nearly always it comes in one piece. */
function receive(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, read: FastRead): void {
  let request: Buffer = nothing;
  let rest: Buffer[] | undefined;
  let size = 0;
  // Its 'close' follows; there is nobody left to answer.
  stream.on('error', ignore);
  stream.on('data', (chunk: Buffer) => {
    if (size > most) return;
    size += chunk.length;
    if (size > most) {
      read.handle(tooLong, headers, stream);
      stream.close(constants.NGHTTP2_NO_ERROR);
    } else if (request === nothing) {
      request = chunk;
    } else {
      rest ??= [request];
      rest.push(chunk);
    }
  });
  stream.on('end', () => {
    if (size <= most) read.handle(messageIn(rest ? Buffer.concat(rest) : request), headers, stream);
  });
}

const nothing = Buffer.alloc(0);
const ignore = () => undefined;
const most = limits.readRequestBytes + frameHeaderLength;
const tooLong: FrameProblem = {
  code: status.RESOURCE_EXHAUSTED,
  details: `a request of this method may have ${limits.readRequestBytes} bytes`,
};

function messageIn(request: Buffer): Buffer | FrameProblem {
  if (request.length === 0) {
    return { code: status.UNIMPLEMENTED, details: 'a unary call has one message, this one has none' };
  }
  if (request.length < frameHeaderLength) return { code: status.INVALID_ARGUMENT, details: 'the message is cut short' };
  if (request[0] !== 0) return { code: status.UNIMPLEMENTED, details: 'compressed without a grpc-encoding' };
  const length = request.readUInt32BE(1);
  if (length > limits.readRequestBytes) return tooLong;
  const rest = request.length - frameHeaderLength - length;
  if (rest < 0) return { code: status.INVALID_ARGUMENT, details: 'the message is cut short' };
  if (rest > 0) return { code: status.UNIMPLEMENTED, details: 'a unary call has one message, this one has more' };
  return request.subarray(frameHeaderLength);
}

/** Ends a stream with a frame and the status OK. */
export function answer(stream: ServerHttp2Stream, frame: Buffer): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond(okHeaderList, respondOptions);
  stream.on('wantTrailers', sendOkTrailers);
  stream.end(frame);
}

function sendOkTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(okTrailers);
}

/** Ends a stream with a status and nothing else. */
export function refuse(stream: ServerHttp2Stream, code: status, details: string): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  // Percent-encoded, as gRPC's protocol wants it: all but visible ASCII, and the percent sign.
  const message = details.toWellFormed().replace(/[^ -~]|%/gu, encodeURIComponent);
  stream.respond({ ...okHeaders, 'grpc-status': String(code), 'grpc-message': message }, { endStream: true });
}
