// Every route of the API: one line a resource.
import type { Identity } from '../../identity/identity.ts';
import type { Oidc } from '../../identity/oidc.ts';
import type { Database } from '../../storage/database.ts';
import type { ApiServer } from './app.ts';
import { type AlertServices, alertRuleRoutes } from './routes/alert-rules.ts';
import { identityRoutes } from './routes/identity.ts';
import { incidentRoutes } from './routes/incidents.ts';
import { type MarketServices, marketRoutes } from './routes/market.ts';
import { pricingRoutes } from './routes/pricing.ts';
import { productRoutes } from './routes/products.ts';
import { type RegistryServices, registryRoutes } from './routes/registry.ts';
import { type TelemetryServices, telemetryRoutes } from './routes/telemetry.ts';
import { type VerificationServices, verificationRoutes } from './routes/verifications.ts';
import { type WalletServices, walletRoutes } from './routes/wallets.ts';

/** What every route module works with. */
export interface ApiServices {
  readonly db: Database;
  readonly now: () => Date;
  readonly identity: Identity;
  /** Where there is an issuer. */
  readonly oidc?: Oidc | undefined;
}

/** What all of them together work with. */
export type AllServices = ApiServices &
  RegistryServices &
  AlertServices &
  TelemetryServices &
  VerificationServices &
  MarketServices &
  WalletServices;

/** Registers the routes of all resources. */
export function registerAllRoutes(app: ApiServer, services: AllServices): void {
  identityRoutes(app, services);
  registryRoutes(app, services);
  incidentRoutes(app, services);
  alertRuleRoutes(app, services);
  telemetryRoutes(app, services);
  verificationRoutes(app, services);
  marketRoutes(app, services);
  pricingRoutes(app, services);
  productRoutes(app, services);
  walletRoutes(app, services);
}
