// Who this node says it is.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId } from '../daemon/boot-id.ts';
import { version } from '../daemon/version.ts';
import type { NodeIdentity } from '../wire/gpubroker/node/v1/node_link.ts';

const longest = 128;

/** What of a node's identity is not read from the machine. */
interface Given {
  readonly nodeName: string;
  /** Where the host's root file system is mounted. */
  readonly hostRoot: string;
}

/** The identity of this process; sources are known once the devices have been looked at. */
export function nodeIdentity({ nodeName, hostRoot }: Given, sources: readonly string[]): NodeIdentity {
  return {
    nodeName,
    machineId: firstLine(join(hostRoot, 'etc/machine-id')),
    // Of the kernel, whichever root file system is seen.
    bootId: bootId(),
    processId: randomUUID(),
    agentVersion: version,
    sources: [...sources],
  };
}

/** Empty where there is no such file. */
function firstLine(path: string): string {
  try {
    return (readFileSync(path, 'utf8').split('\n')[0] ?? '').trim().slice(0, longest);
  } catch {
    return '';
  }
}
