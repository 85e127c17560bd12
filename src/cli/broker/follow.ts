// Follows a stream of the broker until told to stop; a broker that goes away is waited for.
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiProblem, type Client, type ServerEvent } from '../../client/client.ts';
import { remark } from '../output.ts';
import { explained } from './run.ts';

/** How long to wait before a stream that ended is opened again, in milliseconds; it doubles, and each has jitter. */
export interface Patience {
  readonly first: number;
  readonly longest: number;
}

const usual: Patience = { first: 500, longest: 15_000 };

/** A stream, and who listens to it. */
export interface Following {
  /** Below `/api/v2`. */
  readonly path: string;
  /** Called with each event, in order; an error that it throws ends all. */
  readonly accept: (event: ServerEvent) => void;
  /** Told when the stream has ended and will be opened again; said on standard error if left out. */
  readonly interrupted?: (why: string) => void;
}

/**
 * Hands on every event until `stop` is aborted; each next stream resumes after the last event that had an id.
 * @throws CodedError when the first attempt fails, or the broker refuses for good.
 */
export async function followStream(
  client: Client,
  { path, accept, interrupted = remark }: Following,
  stop: AbortSignal,
  patience = usual,
): Promise<void> {
  let last: string | undefined;
  let heard = false;
  let wait = patience.first;
  while (!stop.aborted) {
    try {
      for await (const event of client.follow(path, stop, last)) {
        if (event.id !== '') last = event.id;
        heard = true;
        wait = patience.first;
        accept(event);
      }
      interrupted('The broker ended the stream; following again.');
    } catch (error) {
      if (stop.aborted) return;
      // The first attempt tells what is wrong; later, a broker that restarts is waited for.
      if (!heard || isFinal(error)) return explained(() => Promise.reject(error));
      interrupted(`${error instanceof Error ? error.message : String(error)}; following again.`);
    }
    await sleep(wait * (0.5 + Math.random()), undefined, { signal: stop }).catch(() => undefined);
    wait = Math.min(wait * 2, patience.longest);
  }
}

/** Runs `act` with a signal that Ctrl-C aborts. */
export async function untilInterrupted(act: (stop: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const end = () => stop.abort();
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, end);
  try {
    await act(stop.signal);
  } finally {
    for (const signal of signals) process.off(signal, end);
  }
}

/** Whether asking again would not help. */
function isFinal(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status < 500 && error.status !== 429;
  return error instanceof SyntaxError;
}
