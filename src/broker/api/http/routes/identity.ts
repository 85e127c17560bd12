// All routes of identity: signing in, users, accounts, the audit log.
import type { ApiServer } from '../app.ts';
import type { ApiServices } from '../routes.ts';
import { auditRoutes } from './audit.ts';
import { authRoutes } from './auth.ts';
import { oidcRoutes } from './oidc.ts';
import { accountRoutes, userRoutes } from './users.ts';

/** Registers them. */
export function identityRoutes(app: ApiServer, services: ApiServices): void {
  authRoutes(app, services);
  oidcRoutes(app, services);
  userRoutes(app, services);
  accountRoutes(app, services);
  auditRoutes(app, services);
}
