// The method Enroll: a token for a credential.
import type { handleUnaryCall } from '@grpc/grpc-js';
import type { EnrollRequest, EnrollResponse } from '../../../wire/gpubroker/node/v1/node_link.ts';
import { Refusal } from '../../refusal.ts';
import { type Enrolled, enrol } from '../../registry/joining/enrolment.ts';
import type { LinkContext } from './context.ts';
import { violation } from './messages.ts';
import { refusalOf, statusOf } from './status.ts';
import { Turns } from './turns.ts';

/** What a request becomes whose bytes are no message. */
export const malformed = Symbol('malformed');

/** The handler; `isStopping` tells that the broker takes no more calls. */
export function enrollHandler(
  context: LinkContext,
  isStopping: () => boolean,
): handleUnaryCall<EnrollRequest | typeof malformed, EnrollResponse> {
  const { metrics, log, limits, nodes } = context;
  const turns = new Turns(limits.enrolmentsInProgress);
  const answer = async (request: EnrollRequest | typeof malformed): Promise<Enrolled> => {
    if (request === malformed) throw violation('what came is not an EnrollRequest');
    if (isStopping()) throw new Refusal('unavailable', 'GPUB_BROKER_STOPPING', 'the broker is stopping');
    if (turns.isBusy)
      throw new Refusal('too-many', 'GPUB_TOO_MANY_ENROLMENTS', 'too many nodes enrol at this moment: try again');
    return turns.run(() =>
      enrol(context.db, context.now(), request, {
        allowSimulated: context.allowSimulated,
        credentialLifetime: context.credentialLifetime,
        isLive: (nodeId) => nodes.isLive(nodeId),
      }),
    );
  };
  return (call, callback) => {
    answer(call.request)
      .then(({ nodeId, credential, isNew }) => {
        metrics.enrolment(isNew ? 'new' : 'repeated');
        if (isNew) {
          log.info({ nodeId, credentialId: credential.id, address: call.getPeer() }, 'a node has enrolled');
          // A stream that is not alive any more, with a credential that has just ended.
          nodes.end(nodeId, new Refusal('unauthenticated', 'GPUB_CREDENTIAL_REVOKED', 'the node has enrolled anew'));
        }
        callback(null, { nodeId, credential: { id: credential.id, expiresAt: credential.expiresAt } });
      })
      .catch((error: unknown) => {
        const refusal = refusalOf(error, log, 'Enroll');
        metrics.enrolment(error instanceof Refusal ? 'refused' : 'failed');
        metrics.refused(refusal.code);
        log.info({ code: refusal.code, reason: refusal.message, address: call.getPeer() }, 'an enrolment is refused');
        callback(statusOf(refusal));
      });
  };
}
