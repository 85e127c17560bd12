// A node's call of Connect: messages in, one by one, frames out, a status at the end.
//
// It lies on the HTTP/2 stream itself, for there are ten thousand of them: grpc-js builds a Duplex and some twenty
// objects, closures and promises for each, and takes each message through all of them.
import { Buffer } from 'node:buffer';
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { Refusal } from '../../refusal.ts';
import { violation } from './messages.ts';

const frameHeaderLength = 5;
const contentType = 'application/grpc+proto';
const headers = { ':status': 200, 'content-type': contentType };
const respondOptions = { waitForTrailers: true, sendDate: false };

/** Who hears what a call brings. */
export interface CallListener {
  /** A message; the next one comes once {@link NodeCall.readOn} was called. */
  message(bytes: Buffer): void;
  /** The node has sent its last message. */
  ended(): void;
  /** What came cannot be read: nothing more comes. */
  unreadable(why: Refusal): void;
  /** What was written has been taken, after {@link NodeCall.write} returned false. */
  drain(): void;
  /** All is over. */
  close(): void;
}

/** Whether a call is one that {@link NodeCall} understands; any other is for grpc-js to refuse. */
export function isPlainCall(of: IncomingHttpHeaders): boolean {
  const type = of['content-type'];
  const encoding = of['grpc-encoding'];
  return (
    of[':method'] === 'POST' &&
    (type === 'application/grpc' || type === contentType) &&
    (encoding === undefined || encoding === 'identity')
  );
}

export class NodeCall {
  /** Bytes that a message may have. */
  messageBytes: number;
  readonly #stream: ServerHttp2Stream;
  readonly #listener: CallListener;
  /** What has come and was not handed on. */
  #chunks: Buffer[] = [];
  #size = 0;
  /** Somebody waits for the next message. */
  #wanted = false;
  #delivering = false;
  #paused = false;
  #ended = false;
  /** The status is sent: whatever comes now is dropped. */
  #over = false;

  constructor(stream: ServerHttp2Stream, messageBytes: number, listener: CallListener) {
    this.#stream = stream;
    this.#listener = listener;
    this.messageBytes = messageBytes;
    // 'close' follows; there is nobody left to answer.
    stream.on('error', ignore);
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('end', () => this.#end());
    stream.on('drain', () => listener.drain());
    stream.on('close', () => {
      this.#over = true;
      listener.close();
    });
    stream.respond(headers, respondOptions);
  }

  /** Asks for the next message; it may come within this call. */
  readOn(): void {
    this.#wanted = true;
    if (!this.#delivering) this.#deliver();
  }

  /** Sends a frame. False when it waits, and no more shall come before `drain`. */
  write(frame: Buffer): boolean {
    // Of a stream that is going down its listener hears a little later.
    return !this.#stream.writable || this.#stream.write(frame);
  }

  /** Sends the status, behind all that was written. Without one, in peace. */
  end({ code, details, metadata }: StatusObject = peace()): void {
    if (this.#over) return;
    this.#over = true;
    this.#forget();
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    const trailers: OutgoingHttpHeaders = {
      'grpc-status': String(code),
      'grpc-message': encodeURI(details),
      ...metadata.toHttp2Headers(),
    };
    stream.once('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end();
    stream.resume();
  }

  /** Ends it at once: what was written and not read is lost. */
  reset(): void {
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #take(chunk: Buffer): void {
    if (this.#over) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (!this.#delivering) this.#deliver();
  }

  #end(): void {
    this.#ended = true;
    if (!this.#delivering) this.#deliver();
  }

  /** In a loop, for the listener asks for the next message as it gets one: a thousand of them would be as deep. */
  #deliver(): void {
    this.#delivering = true;
    while (this.#wanted && !this.#over) {
      const message = this.#next();
      if (!message) break;
      this.#wanted = false;
      this.#listener.message(message);
    }
    this.#delivering = false;
    if (this.#over) return;
    if (this.#wanted && this.#ended) {
      this.#wanted = false;
      this.#listener.ended();
    } else if (this.#wanted === this.#paused) {
      this.#paused = !this.#wanted;
      if (this.#paused) this.#stream.pause();
      else this.#stream.resume();
    }
  }

  /** The next message, if all of it is there. */
  #next(): Buffer | undefined {
    if (this.#size < frameHeaderLength) return undefined;
    let first = this.#first(frameHeaderLength);
    if (first[0] !== 0) return this.#refuse(violation('compressed messages are not taken'));
    const length = first.readUInt32BE(1);
    if (length > this.messageBytes)
      return this.#refuse(
        new Refusal('too-large', 'GPUB_PROTOCOL', `a message may have ${this.messageBytes} bytes, and not ${length}`),
      );
    const whole = frameHeaderLength + length;
    if (this.#size < whole) return undefined;
    first = this.#first(whole);
    this.#size -= whole;
    if (first.length === whole) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(whole);
    return first.subarray(frameHeaderLength, whole);
  }

  /** The first chunk, made one with the others where it has fewer bytes. */
  #first(bytes: number): Buffer {
    const [first = nothing] = this.#chunks;
    if (first.length >= bytes) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  #refuse(why: Refusal): undefined {
    this.#forget();
    this.#wanted = false;
    this.#listener.unreadable(why);
    return undefined;
  }

  #forget(): void {
    this.#chunks = [];
    this.#size = 0;
  }
}

const nothing = Buffer.alloc(0);
const ignore = () => undefined;

/** A gRPC frame: no compression, the length, the message. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderLength + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, frameHeaderLength);
  return frame;
}

/** Refuses a call before a byte of its message is read: a status and nothing else. */
export function refuseCall(stream: ServerHttp2Stream, { code, details, metadata }: StatusObject): void {
  stream.on('error', ignore);
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(
    {
      ...headers,
      'grpc-status': String(code),
      'grpc-message': encodeURI(details),
      ...metadata.toHttp2Headers(),
    },
    { endStream: true },
  );
  // What the peer sends on is not wanted.
  stream.resume();
}

function peace(): StatusObject {
  return { code: status.OK, details: '', metadata: new Metadata() };
}

/** The peer's address; of IPv4 also where the server listens on IPv6. */
export function addressOf(stream: ServerHttp2Stream): string {
  return plainAddress(stream.session?.socket.remoteAddress ?? '');
}

/** The address in a `ADDRESS:PORT` of grpc-js, which puts no brackets around one of IPv6; as {@link addressOf} has it. */
export function addressOfPeer(peer: string): string {
  return plainAddress(peer.replace(/:\d+$/, ''));
}

function plainAddress(address: string): string {
  return address.replace(/^::ffff:/, '');
}
