// Writes that were refused go into the audit log: whoever tries what is not theirs leaves a trace. Reads do not.
import type { FastifyRequest } from 'fastify';
import type { Log } from '../../../daemon/logger.ts';
import { actorOf, appendAudit } from '../../identity/audit.ts';
import type { Database } from '../../storage/database.ts';

interface RefusedWritesOptions {
  readonly db: Database;
  readonly now: () => Date;
  readonly log: Log;
}

/** What `createHttpApp` takes as `onRefused`: for 403, and for 404, which is also what things of others answer. */
export function auditRefusedWrites({ db, now, log }: RefusedWritesOptions) {
  return async (request: FastifyRequest, status: number): Promise<void> => {
    const { caller, method, params, ip, id } = request;
    const { url, config } = request.routeOptions;
    const { action } = config;
    if (!caller || method === 'GET' || url === undefined || action === undefined || action === 'public') return;
    const details = { route: `${method} ${url}`, params, status, address: ip, request: id };
    const entry = { actor: actorOf(caller), accountId: caller.accountId, action };
    try {
      await appendAudit(db, now(), { ...entry, outcome: 'refused', details });
    } catch (error) {
      // The refusal stands all the same.
      log.error({ err: error, request: id }, 'a refused write could not be audited');
    }
  };
}
