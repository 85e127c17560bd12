// The table of what can go wrong: how grave it is, what kind of trouble, what it is called, and what to do next.
import type { Severity } from '../storage/schema.ts';

/** Whose trouble it is. */
export type IncidentClass = 'hardware' | 'network' | 'software' | 'security';

/** What is known about all incidents of a kind. */
export interface IncidentKind {
  readonly severity: Severity;
  readonly class: IncidentClass;
  /** `{subject}` stands for the name of the node or GPU. */
  readonly title: string;
  /** One sentence for whoever is woken up. */
  readonly runbook: string;
}

/** Every kind that the broker reports itself. docs/alerts.md shows the same table. */
export const incidentKinds = {
  'node-offline': {
    severity: 'critical',
    class: 'network',
    title: '{subject} is offline',
    runbook:
      'See whether the machine runs and reaches the broker: `gpubroker status` on the node, then its network and power.',
  },
  'node-degraded': {
    severity: 'warning',
    class: 'hardware',
    title: '{subject} is degraded',
    runbook: 'Look at the reason in the details, then at the conditions of its GPUs.',
  },
  'gpu-unhealthy': {
    severity: 'critical',
    class: 'hardware',
    title: '{subject} is unhealthy',
    runbook:
      'Follow the recommended action of its condition: reset the GPU, restart the node, or have the card replaced.',
  },
  'gpu-unknown': {
    severity: 'warning',
    class: 'software',
    title: 'the state of {subject} is not known',
    runbook:
      "Look in the node's log for a driver that hangs or crashed; `nvidia-smi` on the node says whether it answers.",
  },
  'gpu-removed': {
    severity: 'warning',
    class: 'hardware',
    title: '{subject} is gone from its node',
    runbook: 'If nobody took it out, look for `fallen off the bus` in the kernel log and reseat or replace the card.',
  },
  'duplicate-node': {
    severity: 'critical',
    class: 'security',
    title: '{subject} is connected from two machines',
    runbook: 'Find out which machine is the right one; decommission the node and enrol it again if its key was copied.',
  },
  'duplicate-gpu': {
    severity: 'critical',
    class: 'security',
    title: '{subject} is reported by two nodes',
    runbook: 'See which node really holds the card by its serial number; suspend the provider if it was made up.',
  },
  'proof-failed': {
    severity: 'critical',
    class: 'security',
    title: '{subject} has not proven what it is',
    runbook:
      'Read the reason in `gpubroker verifications show`; have the node challenged again; if it fails again, the card is not what it says.',
  },
  'clock-skew': {
    severity: 'warning',
    class: 'software',
    title: 'the clock of {subject} is wrong',
    runbook: 'Start time synchronisation on the node: `timedatectl` shows whether it works.',
  },
  'inventory-mismatch': {
    severity: 'warning',
    class: 'hardware',
    title: '{subject} does not have the GPUs that were declared for it',
    runbook: 'Compare the declared GPUs with those it shows; correct the declaration or look for the missing cards.',
  },
  'telemetry-dropped': {
    severity: 'info',
    class: 'network',
    title: '{subject} has dropped telemetry',
    runbook: 'Its spool was full while the broker was away: enlarge the spool if the gap matters.',
  },
  'token-replay': {
    severity: 'critical',
    class: 'security',
    title: 'an enrolment token was used again for {subject}',
    runbook: 'Revoke the token and make a new one; find out who else has read it.',
  },
} as const satisfies Record<string, IncidentKind>;

/** What is known about a kind; something careful for one that is not in the table. */
export function incidentKind(kind: string): IncidentKind {
  const table: Record<string, IncidentKind> = incidentKinds;
  return (
    table[kind] ?? { severity: 'warning', class: 'software', title: `{subject}: ${kind}`, runbook: 'See the details.' }
  );
}

/** The title of an incident of a kind about what is called `subject`. */
export function incidentTitle(kind: string, subject: string): string {
  return incidentKind(kind).title.replace('{subject}', subject);
}
