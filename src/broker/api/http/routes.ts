// Every route of the API: one line a resource.
import type { Database } from '../../storage/database.ts';
import type { ApiServer } from './app.ts';

/** What route modules work with. */
export interface ApiServices {
  readonly db: Database;
  readonly now: () => Date;
}

/** Registers the routes of all resources. */
export function registerAllRoutes(_app: ApiServer, _services: ApiServices): void {}
