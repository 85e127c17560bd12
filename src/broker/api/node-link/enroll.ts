// The method Enroll: a token for a credential.
import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import type { EnrollRequest, EnrollResponse } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../../refusal.ts';
import { type Enrolled, enrol } from '../../registry/joining/enrolment.ts';
import type { LinkContext } from './context.ts';
import { violation } from './messages.ts';
import { addressOfPeer } from './node-call.ts';
import { refusalOf, statusOf } from './status.ts';
import type { TokenBuckets } from './token-bucket.ts';
import { Turns } from './turns.ts';

/** What a request becomes whose bytes are no message. */
export const malformed = Symbol('malformed');

type EnrollCall = ServerUnaryCall<EnrollRequest | typeof malformed, EnrollResponse>;

/**
 * The handler.
 *
 * @param attempts of each address, from which this one was taken at the door: it is given back where the address has
 *   done no wrong, for a fleet may come from behind one address
 * @param isStopping tells that the broker takes no more calls
 */
export function enrollHandler(
  context: LinkContext,
  attempts: TokenBuckets,
  isStopping: () => boolean,
): handleUnaryCall<EnrollRequest | typeof malformed, EnrollResponse> {
  const { metrics, log, limits, nodes } = context;
  const turns = new Turns(limits.enrolmentsInProgress, limits.enrolmentsWaiting);
  const answer = async (call: EnrollCall): Promise<Enrolled> => {
    const { request } = call;
    if (request === malformed) throw violation('what came is not an EnrollRequest');
    if (isStopping()) throw new Refusal('unavailable', 'GPUB_BROKER_STOPPING', 'the broker is stopping');
    if (turns.isFull)
      throw new Refusal('too-many', 'GPUB_TOO_MANY_ENROLMENTS', 'too many nodes enrol at this moment: try again soon');
    return turns.run(async () => {
      // It has waited too long for its turn, and asks again.
      if (call.cancelled) throw new Refusal('unavailable', 'GPUB_STREAM_CUT', 'the node has gone');
      return enrol(context.db, context.now(), request, {
        allowSimulated: context.allowSimulated,
        credentialLifetime: context.credentialLifetime,
        isLive: (nodeId) => nodes.isLive(nodeId),
      });
    });
  };
  return (call, callback) => {
    answer(call)
      .then(({ nodeId, credential, isNew }) => {
        metrics.enrolment(isNew ? 'new' : 'repeated');
        if (isNew) {
          attempts.giveBack(addressOfPeer(call.getPeer()));
          log.info({ nodeId, credentialId: credential.id, address: call.getPeer() }, 'a node has enrolled');
          // A stream that is not alive any more, with a credential that has just ended.
          nodes.end(nodeId, new Refusal('unauthenticated', 'GPUB_CREDENTIAL_REVOKED', 'the node has enrolled anew'));
        }
        callback(null, { nodeId, credential: { id: credential.id, expiresAt: credential.expiresAt } });
      })
      .catch((error: unknown) => {
        const refusal = refusalOf(error, log, 'Enroll');
        if (isNoFault(refusal)) attempts.giveBack(addressOfPeer(call.getPeer()));
        metrics.enrolment(error instanceof Refusal ? 'refused' : 'failed');
        metrics.refused(refusal.code);
        log.info({ code: refusal.code, reason: refusal.message, address: call.getPeer() }, 'an enrolment is refused');
        callback(statusOf(refusal));
      });
  };
}

/** Whether the same request may be taken a little later. */
function isNoFault({ kind }: Refusal): boolean {
  return kind === 'unavailable' || kind === 'too-many';
}
