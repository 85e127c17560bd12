// Routes of the audit log.
import { AuditChain, AuditPage, AuditQuery } from '../../../../api/audit.ts';
import { listAudit, readChain } from '../../../identity/audit-log.ts';
import type { Database } from '../../../storage/database.ts';
import type { ApiServer } from '../app.ts';

const tags = ['audit'];

export function auditRoutes(app: ApiServer, { db }: { readonly db: Database }): void {
  app.get(
    '/api/v2/audit',
    {
      schema: { summary: 'Who did what', tags, querystring: AuditQuery, response: { 200: AuditPage } },
      config: { action: 'audit.read' },
    },
    async ({ principal, query }) => listAudit(db, principal, query),
  );
  app.get(
    '/api/v2/audit/chain',
    {
      schema: { summary: 'Where the chain of the audit log begins and ends', tags, response: { 200: AuditChain } },
      config: { action: 'audit.verify' },
    },
    async () => readChain(db),
  );
}
