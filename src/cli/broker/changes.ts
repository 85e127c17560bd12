// `gpubroker changes`: what happens to providers, nodes, GPUs and incidents, as it happens.
import type { Change } from '../../api/inventory.ts';
import type { Client } from '../../client/client.ts';
import { oneLine, print, printJsonLine } from '../output.ts';
import { followStream, type Patience } from './follow.ts';

/**
 * Prints a line for each change until `stop` is aborted. A broker that goes away is waited for; nothing is missed and
 * nothing told twice.
 * @throws CodedError when the first attempt fails, or the broker refuses for good.
 */
export function followChanges(client: Client, json: boolean, stop: AbortSignal, patience?: Patience): Promise<void> {
  const accept = ({ data }: { data: string }) => {
    if (data !== '') show(JSON.parse(data) as Change, json);
  };
  return followStream(client, { path: '/inventory/changes', accept }, stop, patience);
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
