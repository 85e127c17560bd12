// Drives one method of a server with h2load, and makes sure that every answer was the right one.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { frame, methodPath } from './call.ts';
import { runCommand } from './commands.ts';
import { checkAnswers, getRequest, listRequest } from './gpus.ts';
import { driverCore, type Server } from './server.ts';

export type Method = 'GetGpu' | 'ListGpus';
export const methods: Method[] = ['GetGpu', 'ListGpus'];

export interface Load {
  method: Method;
  calls: number;
  connections: number;
  // Calls outstanding on each connection.
  streams: number;
  // Returns each call's time if set; costs the driver a line a call.
  timed?: boolean;
}

// Returns the calls' times in microseconds, sorted; none unless asked for.
export async function drive(server: Server, load: Load): Promise<number[]> {
  const answers = await checkAnswers(server.socket);
  const size = load.method === 'GetGpu' ? answers.getSize : answers.listSize;
  const folder = dirname(server.socket);
  const request = join(folder, `${load.method}.bin`);
  await writeFile(request, frame(load.method === 'GetGpu' ? getRequest(answers.name) : listRequest));
  const log = join(folder, 'times');
  const output = await runCommand('taskset', ['-c', driverCore, ...h2load(server.socket, load, request, log)]);
  verify(output, load, frame(new Uint8Array(size)).length);
  return load.timed ? times(await readFile(log, 'utf8')) : [];
}

function h2load(socket: string, load: Load, request: string, log: string): string[] {
  return [
    'h2load',
    ...['-n', String(load.calls), '-c', String(load.connections), '-m', String(load.streams), '-t1'],
    ...['-d', request, '-H', 'content-type: application/grpc', '-H', 'te: trailers'],
    ...(load.timed ? [`--log-file=${log}`] : []),
    `--base-uri=unix:${socket}`,
    `http://localhost${methodPath(load.method)}`,
  ];
}

// An error in gRPC is HTTP status 200 with an empty body, so the bytes are counted too.
function verify(output: string, { calls, method }: Load, size: number): void {
  const succeeded = number(output, /(\d+) succeeded/);
  const accepted = number(output, /status codes: (\d+) 2xx/);
  const bytes = number(output, /\((\d+)\) data/);
  if (succeeded !== calls || accepted !== calls || bytes !== calls * size) {
    throw new Error(
      `${method}: ${accepted} of ${calls} calls answered 200, ${bytes} bytes instead of ${calls * size}\n${output}`,
    );
  }
}

function number(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? Number.NaN);
}

// h2load's log: start time, HTTP status, microseconds until the end of the answer.
function times(log: string): number[] {
  return log
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]))
    .sort((a, b) => a - b);
}
