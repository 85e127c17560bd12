// `gpubroker changes`: what happens to providers, nodes, GPUs and incidents, as it happens.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../../api/inventory.ts';
import { ApiProblem, type Client } from '../../client/client.ts';
import { oneLine, print, printJsonLine, remark } from '../output.ts';

/** Milliseconds before a stream that ended is opened again; twice that with jitter at most. */
const pause = 1_000;

/** Prints a line for each change until `stop` is aborted; a broker that goes away is waited for, and nothing missed. */
export async function followChanges(client: Client, json: boolean, stop: AbortSignal): Promise<void> {
  let last: string | undefined;
  while (!stop.aborted) {
    try {
      for await (const { id, data } of client.follow('/inventory/changes', stop, last)) {
        last = id;
        const change = JSON.parse(data) as Change;
        if (json) printJsonLine(change);
        else print(lineOf(change));
      }
      remark('The broker ended the stream; following again.');
    } catch (error) {
      if (stop.aborted) return;
      // The first attempt tells what is wrong; later, a broker that restarts is waited for.
      if (last === undefined || error instanceof ApiProblem) throw error;
      remark(`${error instanceof Error ? error.message : String(error)}; following again.`);
    }
    await sleep(pause * (1 + Math.random()), undefined, { signal: stop }).catch(() => undefined);
  }
}

function lineOf({ at, kind, gpu_id, node_id, cluster_id, provider_id, data }: Change): string {
  const subject = gpu_id ?? node_id ?? cluster_id ?? provider_id ?? '';
  const told = ['health', 'status', 'reason', 'title', 'name'].map((name) => data[name]).filter(isText);
  return `${at}  ${kind.padEnd(22)}  ${subject}  ${oneLine(told.join(' '))}`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
