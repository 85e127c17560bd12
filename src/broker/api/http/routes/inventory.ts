// The routes of the inventory as a whole: snapshots, and changes as pages or as a stream.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ChangesPage, ChangesQuery, SnapshotPage, SnapshotQuery } from '../../../../api/inventory.ts';
import { changesAfter } from '../../../events/changes.ts';
import type { ChangeStream } from '../../../events/stream.ts';
import { visibleAccount } from '../../../identity/policy.ts';
import { providersOf } from '../../../identity/visible-providers.ts';
import { inventorySnapshot, type SnapshotContext } from '../../../registry/search/snapshot.ts';
import type { ApiServer } from '../app.ts';
import { lastEventId, openEventStream, stillMay, wantsStream } from '../event-stream.ts';
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

function openStream(
  { changes, identity }: InventoryServices,
  request: FastifyRequest,
  reply: FastifyReply,
  after: number | undefined,
): FastifyReply {
  const account = visibleAccount(request.principal);
  const place = lastEventId(request) ?? after;
  const mayListen = stillMay(identity, request, 'inventory.read', (caller) => visibleAccount(caller) === account);
  changes.admit(account);
  void changes.serve(openEventStream(reply), account, place, mayListen);
  return reply;
}
