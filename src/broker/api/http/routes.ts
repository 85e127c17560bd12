// Every route of the API: one line a resource.

import type { Identity } from '../../identity/identity.ts';
import type { Oidc } from '../../identity/oidc.ts';
import type { Database } from '../../storage/database.ts';
import type { ApiServer } from './app.ts';
import { auditRoutes } from './routes/audit.ts';
import { authRoutes } from './routes/auth.ts';
import { oidcRoutes } from './routes/oidc.ts';
import { accountRoutes, userRoutes } from './routes/users.ts';

/** What route modules work with. */
export interface ApiServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
  /** Where there is an issuer. */
  readonly oidc?: Oidc | undefined;
}

/** Registers the routes of all resources. */
export function registerAllRoutes(app: ApiServer, services: ApiServices): void {
  authRoutes(app, services);
  oidcRoutes(app, services);
  userRoutes(app, services);
  accountRoutes(app, services);
  auditRoutes(app, services);
}
