// What every stream of server-sent events has in common: how it is opened, resumed, and who may go on listening.
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../../identity/identity.ts';
import { type Action, may } from '../../identity/policy.ts';
import type { Principal } from '../../identity/principal.ts';
import { invalid, Refusal } from '../../refusal.ts';

/** Whether a client asks for a stream. */
export function wantsStream({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? '').split(',').some((type) => type.trim().startsWith('text/event-stream'));
}

/** Takes the reply over and sends the head; whoever calls it writes the events and ends it. */
export function openEventStream(reply: FastifyReply): ServerResponse {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'Content-Type': 'text/event-stream; charset=utf-8',
    // Proxies must hand on every event at once.
    'X-Accel-Buffering': 'no',
  });
  return reply.raw;
}

/** Where a client that comes back was. @throws Refusal `GPUB_INVALID` */
export function lastEventId({ headers }: FastifyRequest): number | undefined {
  const given = headers['last-event-id'];
  if (given === undefined || given === '') return undefined;
  const seq = /^\d{1,16}$/.test(String(given)) ? Number(given) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw invalid('headers.last-event-id', given, 'the id of an event');
  return seq;
}

/** Asks again whether the credentials of a request are good for it; never throws. */
export function stillMay(
  { authenticator }: Identity,
  { headers }: FastifyRequest,
  action: Action,
  isSame: (caller: Principal) => boolean = () => true,
): () => Promise<boolean> {
  const { authorization } = headers;
  return async () => {
    try {
      const caller = await authenticator.authenticate(authorization);
      return caller !== undefined && may(caller, action) && isSame(caller);
    } catch (error) {
      // A database that does not answer says nothing about the credentials.
      return !(error instanceof Refusal && error.kind === 'unauthenticated');
    }
  };
}
