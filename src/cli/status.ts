// `gpubroker status` and `gpubroker log-level`: the daemon of this node itself.
import type { GetStatusResponse } from '../wire/gpubroker/device/v1/daemon.ts';
import { exitCodes } from './exit-codes.ts';
import type { NodeClient } from './node-client.ts';
import { coloured, formatTable, oneLine, print, printJson } from './output.ts';
import { absent, formatAge } from './quantities.ts';

/** Prints the status; returns the exit code. */
export async function showStatus(client: NodeClient, json: boolean): Promise<number> {
  const status = await client.getStatus();
  if (json) printJson(status);
  else print(formatStatus(status, Date.now()));
  return status.ready ? exitCodes.ok : exitCodes.notReady;
}

/** Prints the level, or sets it and prints the change. */
export async function logLevel(client: NodeClient, level: string | undefined, json: boolean): Promise<void> {
  if (level === undefined) {
    const { logLevel: current } = await client.getStatus();
    if (json) printJson({ level: current });
    else print(oneLine(current));
    return;
  }
  const previous = await client.setLogLevel(level);
  if (json) printJson({ level, previous });
  else print(`log level ${level}, before ${previous}`);
}

/** `now` in milliseconds since the epoch, for the uptime. */
export function formatStatus(status: GetStatusResponse, now: number): string {
  const { daemon, version, nodeName, startTime, ready, notReadyReasons, warnings, gpus } = status;
  const up = startTime ? `, up ${formatAge(now - startTime.getTime())}` : '';
  const { total = 0, healthy = 0, unhealthy = 0, unknown = 0 } = gpus ?? {};
  const rows = [
    ['Daemon', `${daemon} ${version} on ${nodeName}${up}`],
    ['Ready', ready ? coloured('green', 'yes') : coloured('red', 'no')],
    ...notReadyReasons.map((reason) => ['', reason]),
    ...warnings.map((warning, index) => [index === 0 ? 'Warnings' : '', coloured('yellow', warning)]),
    ['GPUs', `${total}: ${healthy} healthy, ${unhealthy} unhealthy, ${unknown} unknown`],
    ['Version of the cache', String(status.resourceVersion)],
    ['Log level', status.logLevel],
  ];
  if (status.sources.length === 0) return formatTable(rows);
  const sources = status.sources.map(({ name, state, devices, restarts, message }) => [
    name,
    state,
    String(devices),
    String(restarts),
    message || absent,
  ]);
  const heading = ['SOURCE', 'STATE', 'DEVICES', 'RESTARTS', 'MESSAGE'];
  return `${formatTable(rows)}\n\n${formatTable([heading, ...sources])}`;
}
