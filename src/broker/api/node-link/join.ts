// From a hello to a node that has joined: its key is proved, its place claimed, its row stored.
import type { Hello } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { reportIncidents } from '../../incidents/incidents.ts';
import { incidentKind, incidentTitle } from '../../incidents/kinds.ts';
import { Refusal } from '../../refusal.ts';
import type { Resumption } from '../../registry/ingest/contract.ts';
import { type AuthenticatedNode, authenticate, confirm } from '../../registry/joining/credentials.ts';
import type { LinkContext } from './context.ts';
import { checkText, checkTime } from './messages.ts';

export interface Joined {
  readonly node: AuthenticatedNode;
  readonly resumption: Resumption;
}

export interface Joining {
  readonly hello: Hello;
  readonly nonce: Uint8Array;
  /** From where the stream comes. */
  readonly address: string;
  /** Whether it has ended meanwhile. */
  readonly isGone: () => boolean;
}

/** What came of the claim to a node's place: `taken` by another machine, `gone` where the stream has ended meanwhile. */
export type ClaimOutcome = 'claimed' | 'taken' | 'gone';

/**
 * Undefined where the stream has ended meanwhile.
 *
 * @param claim makes the stream that of its node; called once the node has proved its key
 * @throws Refusal as `authenticate` and `Ingest.joined` do; `GPUB_NODE_DUPLICATE`
 */
export async function joinNode(
  context: LinkContext,
  { hello, nonce, address, isGone }: Joining,
  claim: (node: AuthenticatedNode) => ClaimOutcome,
): Promise<Joined | undefined> {
  const { db, ingest, now, limits } = context;
  checkText('hello.spool_id', hello.spoolId, 1, limits.nameLength);
  checkTime('hello.time', hello.time, false);
  // In turns: ten thousand nodes that come back at once must not have the database to themselves.
  return context.hellos.run(async () => {
    // It has waited too long for its turn, and connects again.
    if (isGone()) return undefined;
    const node = await authenticate(db, now(), hello, nonce, context);
    const outcome = claim(node);
    if (outcome === 'gone') return undefined;
    if (outcome === 'taken') {
      await reportDuplicate(context, node, address);
      throw new Refusal(
        'conflict',
        'GPUB_NODE_DUPLICATE',
        'another machine, or another boot of this one, is connected as this node at this moment',
      );
    }
    if (!node.credential.confirmed) await confirm(db, now(), node.nodeId, node.credential.id);
    const resumption = await ingest.joined({
      nodeId: node.nodeId,
      clusterId: node.clusterId,
      providerId: node.providerId,
      identity: node.identity,
      spoolId: hello.spoolId,
      ipAddress: address,
      at: now(),
      nodeTime: hello.time,
    });
    return { node, resumption };
  });
}

async function reportDuplicate({ db, now }: LinkContext, node: AuthenticatedNode, address: string): Promise<void> {
  const { nodeId, clusterId, providerId, identity } = node;
  await db.transaction().execute((trx) =>
    reportIncidents(trx, now(), [
      {
        kind: 'duplicate-node',
        severity: incidentKind('duplicate-node').severity,
        subject: `node:${nodeId}`,
        title: incidentTitle('duplicate-node', identity.nodeName),
        details: { address, machine_id: identity.machineId, boot_id: identity.bootId },
        providerId,
        clusterId,
        nodeId,
      },
    ]),
  );
}
