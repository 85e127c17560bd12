// What a node says about itself when it enrols or connects, looked at before anything of it is kept.
import type { NodeIdentity } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { invalid, Refusal } from '../../refusal.ts';

/** Most characters of each. */
export const identityLimits = {
  nodeName: 253,
  machineId: 128,
  bootId: 128,
  processId: 128,
  agentVersion: 64,
  source: 32,
  /** Of sources, how many. */
  sources: 8,
} as const;

type TextField = 'nodeName' | 'machineId' | 'bootId' | 'processId' | 'agentVersion';

/**
 * The identity, when it is complete and within its limits.
 *
 * @throws Refusal `GPUB_INVALID` naming the field; `GPUB_SIMULATED_REFUSED` for simulated GPUs where they are not let in
 */
export function readIdentity(identity: NodeIdentity | undefined, allowSimulated: boolean): NodeIdentity {
  if (!identity) throw invalid('identity', null, 'who the node is');
  text(identity, 'nodeName', 1);
  text(identity, 'machineId', 0);
  text(identity, 'bootId', 1);
  text(identity, 'processId', 1);
  text(identity, 'agentVersion', 0);
  const { sources } = identity;
  if (sources.length > identityLimits.sources)
    throw invalid('identity.sources', sources.length, `at most ${identityLimits.sources}`);
  for (const source of sources) {
    if (!/^[a-z0-9-]{1,32}$/.test(source))
      throw invalid('identity.sources', source.slice(0, 64), 'names of lower-case letters, digits and hyphens');
  }
  if (!allowSimulated && isSimulated(identity)) {
    throw new Refusal(
      'forbidden',
      'GPUB_SIMULATED_REFUSED',
      'the GPUs of this node are simulated, and this broker takes real ones only',
    );
  }
  return identity;
}

/** Whether any of its GPUs are simulated. */
export function isSimulated(identity: NodeIdentity): boolean {
  return identity.sources.includes('simulated');
}

function text(identity: NodeIdentity, field: TextField, least: number): void {
  const value = identity[field];
  const most = identityLimits[field];
  // Control characters would come out again in logs and tables; PostgreSQL takes no NUL.
  if (value.length >= least && value.length <= most && !/\p{Cc}/u.test(value)) return;
  const allowed = `${least} to ${most} characters without control characters`;
  throw invalid(`identity.${field}`, value.slice(0, 300), allowed);
}
