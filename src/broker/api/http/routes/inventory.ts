// The routes of the inventory as a whole: snapshots, and changes as pages or as a stream.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ChangesPage, ChangesQuery, SnapshotPage, SnapshotQuery } from '../../../../api/inventory.ts';
import { changesAfter } from '../../../events/changes.ts';
import type { ChangeStream } from '../../../events/stream.ts';
import { may, visibleAccount } from '../../../identity/policy.ts';
import { providersOf } from '../../../identity/visible-providers.ts';
import { invalid, Refusal } from '../../../refusal.ts';
import { inventorySnapshot, type SnapshotContext } from '../../../registry/search/snapshot.ts';
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';

const tags = ['inventory'];

/** What they work with besides the database. */
export interface InventoryServices extends ApiServices, SnapshotContext {
  readonly changes: ChangeStream;
}

/** Registers them; the streams end with the server. */
export function inventoryRoutes(app: ApiServer, services: InventoryServices): void {
  app.get(
    '/api/v2/inventory/snapshot',
    {
      config: { action: 'inventory.read' },
      schema: {
        tags,
        summary: 'The inventory as it was at a time',
        querystring: SnapshotQuery,
        response: { 200: SnapshotPage },
      },
    },
    ({ principal, query }) => inventorySnapshot(services, principal, query),
  );
  app.get(
    '/api/v2/inventory/changes',
    {
      config: { action: 'inventory.read' },
      schema: {
        tags,
        summary: 'What happened to it: a page, or with Accept: text/event-stream a stream',
        querystring: ChangesQuery,
        response: { 200: ChangesPage },
      },
    },
    async (request, reply) => {
      const { principal, query } = request;
      const account = visibleAccount(principal);
      if (wantsStream(request)) return openStream(services, request, reply, query.after);
      const providers = await providersOf(services.db, account);
      return changesAfter(services.db, providers, query.after ?? 0, query.limit ?? 50);
    },
  );
  app.addHook('preClose', () => services.changes.stop());
}

function wantsStream({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? '').split(',').some((type) => type.trim().startsWith('text/event-stream'));
}

function openStream(
  { changes, identity }: InventoryServices,
  request: FastifyRequest,
  reply: FastifyReply,
  after: number | undefined,
): FastifyReply {
  const account = visibleAccount(request.principal);
  const place = lastEventId(request) ?? after;
  const mayListen = async () => {
    try {
      const caller = await identity.authenticator.authenticate(request.headers.authorization);
      return caller !== undefined && may(caller, 'inventory.read') && visibleAccount(caller) === account;
    } catch (error) {
      // A database that does not answer says nothing about the credentials.
      return !(error instanceof Refusal && error.kind === 'unauthenticated');
    }
  };
  changes.admit(account);
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'Content-Type': 'text/event-stream; charset=utf-8',
    // Proxies must hand on every event at once.
    'X-Accel-Buffering': 'no',
  });
  void changes.serve(reply.raw, account, place, mayListen);
  return reply;
}

/** Where a client that comes back was. @throws Refusal `GPUB_INVALID` */
function lastEventId({ headers }: FastifyRequest): number | undefined {
  const given = headers['last-event-id'];
  if (given === undefined || given === '') return undefined;
  const seq = /^\d{1,16}$/.test(String(given)) ? Number(given) : Number.NaN;
  if (!Number.isSafeInteger(seq)) throw invalid('headers.last-event-id', given, 'the id of an event');
  return seq;
}
