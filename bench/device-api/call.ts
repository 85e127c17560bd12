// One unary gRPC call over a Unix socket, byte for byte: the benchmark must see what h2load sees.
import { type ClientHttp2Session, connect } from 'node:http2';
import { connect as connectSocket } from 'node:net';

const prefixSize = 5;
const deadline = 5_000;

export const methodPath = (method: string): string => `/nvidia.device.v1alpha1.GpuService/${method}`;

// Prefixes an encoded message with the five bytes of gRPC: not compressed, length.
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(prefixSize + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixSize);
  return framed;
}

// Calls a method; returns the encoded answer, or throws unless HTTP says 200 and gRPC says OK.
export async function call(socket: string, method: string, message: Uint8Array): Promise<Buffer> {
  const session = connect('http://localhost', { createConnection: () => connectSocket(socket) });
  try {
    return await exchange(session, method, message);
  } finally {
    session.destroy();
  }
}

function exchange(session: ClientHttp2Session, method: string, message: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': methodPath(method),
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let httpStatus = 0;
    let grpcStatus = 'missing';
    let reason = '';
    const readStatus = (headers: Record<string, unknown>) => {
      if (headers[':status'] !== undefined) httpStatus = Number(headers[':status']);
      if (headers['grpc-status'] !== undefined) grpcStatus = String(headers['grpc-status']);
      if (headers['grpc-message'] !== undefined) reason = String(headers['grpc-message']);
    };
    stream.setTimeout(deadline, () => stream.destroy(new Error(`${method}: no answer within ${deadline} ms`)));
    stream.on('response', readStatus);
    stream.on('trailers', readStatus);
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      if (httpStatus !== 200 || grpcStatus !== '0') {
        reject(new Error(`${method}: HTTP status ${httpStatus}, grpc-status ${grpcStatus} ${reason}`));
      } else {
        resolve(Buffer.concat(chunks).subarray(prefixSize));
      }
    });
    stream.end(frame(message));
  });
}
