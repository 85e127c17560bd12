// The answer to HTTP that cannot be parsed: it never becomes a request, so it is written by hand.
import type { Duplex } from 'node:stream';
import { problemType } from '../../../api/problem.ts';
import { newId } from '../../ids.ts';
import { httpProblem } from './errors.ts';

/** Answers with a problem and ends the connection. `code` is that of Node's HTTP parser. */
export function answerUnreadable(code: string | undefined, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const problem = httpProblem(status, newId());
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${problem.title}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
