// How many calls may be open at the same time, over all connections and servers of the daemon: each takes some 7 KB of
// the heap that bin/gpubroker allows, and clients on this node could otherwise open more than fit.
import { type Server, status } from '@grpc/grpc-js';
import { refuse } from './fast-reads.ts';
import { interceptStreams } from './grpc-internals.ts';
import { limits } from './limits.ts';

/** Counts the open calls of every server that it is added to. */
export class StreamLimit {
  #open = 0;

  /** To be called last before the server listens: it must see streams before anybody else. */
  addTo(server: Server): void {
    interceptStreams(server, (stream) => {
      if (this.#open >= limits.streams) {
        // Its 'close' follows; there is nobody left to answer.
        stream.on('error', () => undefined);
        refuse(stream, status.RESOURCE_EXHAUSTED, `${limits.streams} calls are open, which is the limit: try again`);
        return true;
      }
      this.#open += 1;
      stream.once('close', () => {
        this.#open -= 1;
      });
      return false;
    });
  }
}
