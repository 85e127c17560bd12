// How many calls may be open on a server at the same time, over all its connections: each takes some 7 KB of the heap
// that bin/gpubroker allows, and clients on this node could otherwise open more than fit.
import { type Server, status } from '@grpc/grpc-js';
import { interceptStreams } from '../daemon/grpc-internals.ts';
import { refuse } from './fast-reads.ts';

/** Refuses calls beyond a number. To be called last before the server listens: it must see streams before others do. */
export function limitStreams(server: Server, most: number): void {
  let open = 0;
  const closed = () => {
    open -= 1;
  };
  interceptStreams(server, (stream) => {
    if (open >= most) {
      // Its 'close' follows; there is nobody left to answer.
      stream.on('error', () => undefined);
      refuse(stream, status.RESOURCE_EXHAUSTED, `${most} calls are open, which is the limit: try again`);
      return true;
    }
    open += 1;
    stream.on('close', closed);
    return false;
  });
}
