// `gpubroker changes`: what happens to providers, nodes, GPUs and incidents, as it happens.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../../api/inventory.ts';
import { ApiProblem, type Client } from '../../client/client.ts';
import { oneLine, print, printJsonLine, remark } from '../output.ts';
import { explained } from './run.ts';

/** How long to wait before a stream that ended is opened again, in milliseconds; it doubles, and each has jitter. */
export interface Patience {
  readonly first: number;
  readonly longest: number;
}

const usual: Patience = { first: 500, longest: 15_000 };

/**
 * Prints a line for each change until `stop` is aborted. A broker that goes away is waited for; nothing is missed and
 * nothing told twice.
 * @throws CodedError when the first attempt fails, or the broker refuses for good.
 */
export async function followChanges(client: Client, json: boolean, stop: AbortSignal, patience = usual): Promise<void> {
  let last: string | undefined;
  let wait = patience.first;
  while (!stop.aborted) {
    try {
      for await (const { id, data } of client.follow('/inventory/changes', stop, last)) {
        last = id;
        wait = patience.first;
        if (data !== '') show(JSON.parse(data) as Change, json);
      }
      remark('The broker ended the stream; following again.');
    } catch (error) {
      if (stop.aborted) return;
      // The first attempt tells what is wrong; later, a broker that restarts is waited for.
      if (last === undefined || isFinal(error)) return explained(() => Promise.reject(error));
      remark(`${error instanceof Error ? error.message : String(error)}; following again.`);
    }
    await sleep(wait * (0.5 + Math.random()), undefined, { signal: stop }).catch(() => undefined);
    wait = Math.min(wait * 2, patience.longest);
  }
}

/** Whether asking again would not help. */
function isFinal(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status < 500 && error.status !== 429;
  return error instanceof SyntaxError;
}

function show(change: Change, json: boolean): void {
  if (json) printJsonLine(change);
  else print(lineOf(change));
}

function lineOf({ at, kind, gpu_id, node_id, cluster_id, provider_id, data }: Change): string {
  const subject = gpu_id ?? node_id ?? cluster_id ?? provider_id ?? '';
  const told = ['health', 'status', 'reason', 'title', 'hostname', 'name'].map((name) => data[name]).filter(isText);
  return oneLine(`${at}  ${kind.padEnd(22)}  ${subject}  ${told.join(' ')}`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
