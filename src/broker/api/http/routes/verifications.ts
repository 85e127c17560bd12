// The routes of verifications: what was found out, as it is found out, and what can be asked for.
import { IdParams } from '../../../../api/fields.ts';
import { ChangesPage, ChangesQuery } from '../../../../api/inventory.ts';
import {
  ChallengeAnswer,
  Fit,
  FitRequest,
  VerificationDetails,
  VerificationPage,
  VerificationQuery,
  verificationEventKinds,
} from '../../../../api/verifications.ts';
import { changesAfter } from '../../../events/changes.ts';
import type { ChangeStream } from '../../../events/stream.ts';
import { visibleAccount } from '../../../identity/policy.ts';
import { providersOf } from '../../../identity/visible-providers.ts';
import { Refusal } from '../../../refusal.ts';
import { type ChallengeContext, challengeNode } from '../../../verification/challenge-request.ts';
import { checkFit } from '../../../verification/fit-check.ts';
import { listVerifications, readVerification } from '../../../verification/read.ts';
import type { ApiServer } from '../app.ts';
import { lastEventId, openEventStream, stillMay, wantsStream } from '../event-stream.ts';
import { LocalWindows } from '../rate-limits.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['verifications'];

/** What they work with besides the database. */
export interface VerificationServices extends ApiServices, ChallengeContext {
  readonly changes: ChangeStream;
}

/** Registers them. */
export function verificationRoutes(app: ApiServer, services: VerificationServices): void {
  const { db } = services;
  app.get(
    '/api/v2/verifications',
    {
      config: { action: 'verification.read' },
      schema: {
        tags,
        summary: 'What GPUs were measured at, and the proofs they were asked for, newest first',
        querystring: VerificationQuery,
        response: { 200: VerificationPage },
      },
    },
    ({ principal, query }) => listVerifications(db, principal, query),
  );
  streamRoute(app, services);
  app.get(
    '/api/v2/verifications/:id',
    {
      config: { action: 'verification.read' },
      schema: {
        tags,
        summary: 'One, with its samples and its evidence',
        params: IdParams,
        response: { 200: VerificationDetails },
      },
    },
    ({ principal, params }) => readVerification(db, principal, params.id),
  );
  askingRoutes(app, services);
}

function streamRoute(app: ApiServer, { db, identity, changes }: VerificationServices): void {
  app.get(
    '/api/v2/verifications/stream',
    {
      config: { action: 'verification.read' },
      schema: {
        tags,
        summary: 'The events about verifications: a page, or with Accept: text/event-stream a stream',
        querystring: ChangesQuery,
        response: { 200: ChangesPage },
      },
    },
    async (request, reply) => {
      const { principal, query } = request;
      const account = visibleAccount(principal);
      if (!wantsStream(request)) {
        const providers = await providersOf(db, account);
        return changesAfter(db, providers, query.after ?? 0, query.limit ?? 50, verificationEventKinds);
      }
      const place = lastEventId(request) ?? query.after;
      const mayListen = stillMay(identity, request, 'verification.read', (one) => visibleAccount(one) === account);
      changes.admit(account);
      void changes.serve(openEventStream(reply), account, place, mayListen, verificationEventKinds);
      return reply;
    },
  );
}

/** Challenges of a node that may be asked for in an hour: each takes its GPUs for seconds, and a processor of the broker. */
const challengesAnHour = 6;
const hour = 3_600_000;
/** Nodes that are counted: whoever was challenged longest ago is forgotten beyond these. */
const mostNodes = 20_000;

/** Counts the challenges of each node, in this process. @throws Refusal from what it returns, with a time to wait */
function challengeLimit(): (nodeId: string) => void {
  const windows = new LocalWindows(mostNodes);
  return (nodeId) => {
    const { current, ttl } = windows.count(nodeId, hour, performance.now());
    if (current <= challengesAnHour) return;
    const text = `the node was challenged on request ${challengesAnHour} times in an hour, which is the limit`;
    throw new Refusal('too-many', 'GPUB_TOO_MANY_CHALLENGES', text, { retryAfter: Math.ceil(ttl / 1000) });
  };
}

function askingRoutes(app: ApiServer, services: VerificationServices): void {
  const admit = challengeLimit();
  app.post(
    '/api/v2/gpus/:id/fit',
    {
      config: { action: 'gpu.read' },
      schema: {
        tags,
        summary: 'Whether a GPU fits a request, wish by wish',
        params: IdParams,
        body: FitRequest,
        response: { 200: Fit },
      },
    },
    ({ principal, params, body }) => checkFit(services, principal, params.id, body),
  );
  app.post(
    '/api/v2/nodes/:id/challenge',
    {
      config: { action: 'node.challenge' },
      schema: {
        tags,
        summary: 'Challenge all free GPUs of a node at once, now',
        params: IdParams,
        response: { 200: ChallengeAnswer, 202: ChallengeAnswer },
      },
    },
    async ({ principal, params, log }, reply) => {
      const failedLate = (err: unknown) =>
        log.warn({ err, nodeId: params.id }, 'a challenge that was asked for failed');
      const answer = await challengeNode(services, principal, params.id, admit, failedLate);
      return reply.code(answer.finished ? 200 : 202).send(answer);
    },
  );
}
