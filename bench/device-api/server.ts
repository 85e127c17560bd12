// One server process under measurement: started on its own socket, pinned to a core if asked, stopped at the end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Candidate, type Place, pathWithThisNode } from './candidates.ts';
import { gpuCount, listGpus, registerGpus } from './gpus.ts';
import type { MemoryGroup } from './memory.ts';
import { processTree } from './processes.ts';

// The server has one core and the drivers another, the same for every server.
export const serverCore = '0';
export const driverCore = availableParallelism() > 1 ? '1' : '0';

const startDeadline = 30_000;
const stopDeadline = 40_000;

export interface StartOptions {
  pinned?: boolean;
  group?: MemoryGroup;
}

export class Server {
  readonly candidate: Candidate;
  readonly place: Place;
  // From spawn to the first answer of ListGpus, and to the first that holds all GPUs, in milliseconds.
  firstAnswer = 0;
  allGpus = 0;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(candidate: Candidate, place: Place, folder: string, child: ChildProcess) {
    this.candidate = candidate;
    this.place = place;
    this.#folder = folder;
    this.#child = child;
  }

  // Returns when the server answers and has all GPUs.
  static async start(candidate: Candidate, { pinned = false, group }: StartOptions = {}): Promise<Server> {
    const folder = mkdtempSync(join(tmpdir(), 'gpubroker-bench-'));
    const place = { socket: join(folder, 's'), dataFolder: join(folder, 'data'), metricsPort: await freePort() };
    let command = candidate.command(place);
    if (pinned) command = ['taskset', '-c', serverCore, ...command];
    if (group !== undefined) command = group.wrap(command);
    const started = performance.now();
    const server = new Server(candidate, place, folder, launch(command, join(folder, 'log')));
    try {
      await server.#becomeReady(started);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  // Starts one of each and stops them all at the end, however it ends.
  static async withEach<T>(
    candidates: [Candidate, Candidate],
    options: StartOptions,
    use: (servers: [Server, Server]) => Promise<T>,
  ): Promise<T> {
    return Server.with(candidates[0], options, (first) =>
      Server.with(candidates[1], options, (second) => use([first, second])),
    );
  }

  // Starts a server and stops it at the end, however it ends.
  static async with<T>(candidate: Candidate, options: StartOptions, use: (server: Server) => Promise<T>): Promise<T> {
    const server = await Server.start(candidate, options);
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  }

  get socket(): string {
    return this.place.socket;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get pids(): number[] {
    return processTree(this.pid);
  }

  // How many calls of a method the server's own metrics report: proof that metrics are on.
  async handledCalls(method: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.place.metricsPort}/metrics`);
    const lines = (await response.text()).split('\n');
    return lines
      .filter((line) => line.startsWith('grpc_server_handled_total{') && line.includes(`grpc_method="${method}"`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async stop(): Promise<void> {
    if (this.#running()) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      await Promise.race([ended, sleep(stopDeadline, undefined, { ref: false })]);
      if (this.#running()) this.#child.kill('SIGKILL');
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #becomeReady(started: number): Promise<void> {
    await this.#until(started, (gpus) => gpus >= 0);
    this.firstAnswer = performance.now() - started;
    if (!this.candidate.findsGpus) await registerGpus(this.socket);
    await this.#until(started, (gpus) => gpus === gpuCount);
    this.allGpus = performance.now() - started;
  }

  async #until(started: number, enough: (gpus: number) => boolean): Promise<void> {
    let reason = 'it has made no socket';
    while (performance.now() - started < startDeadline) {
      if (!this.#running()) throw new Error(`${this.candidate.label} ended at its start: ${this.#logTail()}`);
      if (existsSync(this.socket)) {
        try {
          const gpus = (await listGpus(this.socket)).length;
          if (enough(gpus)) return;
          reason = `it has ${gpus} GPUs`;
        } catch (error) {
          reason = (error as Error).message;
        }
      }
      await sleep(1);
    }
    throw new Error(`${this.candidate.label} is not ready after ${startDeadline} ms: ${reason}; ${this.#logTail()}`);
  }

  #running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #logTail(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2_000).trim() || 'it printed nothing';
  }
}

function launch(command: string[], log: string): ChildProcess {
  const [program = '', ...parameters] = command;
  const output = openSync(log, 'w');
  const environment = { ...process.env, PATH: pathWithThisNode() };
  const child = spawn(program, parameters, { stdio: ['ignore', output, output], env: environment });
  child.on('error', () => {});
  closeSync(output);
  return child;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
