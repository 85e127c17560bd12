// What each route of the HTTP API takes and answers. A test compares these names with the OpenAPI document.
import type { Static, TSchema } from 'typebox';
import type * as Alerts from '../api/alerts.ts';
import type * as Audit from '../api/audit.ts';
import type * as Clusters from '../api/clusters.ts';
import type * as Fields from '../api/fields.ts';
import type * as Gpus from '../api/gpus.ts';
import type * as Identity from '../api/identity.ts';
import type * as Incidents from '../api/incidents.ts';
import type * as Inventory from '../api/inventory.ts';
import type { PageQuery } from '../api/lists.ts';
import type * as Market from '../api/market.ts';
import type * as Nodes from '../api/nodes.ts';
import type * as Orders from '../api/orders.ts';
import type * as Pools from '../api/pools.ts';
import type * as Pricing from '../api/pricing.ts';
import type * as Products from '../api/products.ts';
import type * as Providers from '../api/providers.ts';
import type * as Telemetry from '../api/telemetry.ts';
import type * as Verifications from '../api/verifications.ts';
import type * as Wallets from '../api/wallets.ts';

/** What a route answers. */
interface Answers<Response extends TSchema> {
  response: Static<Response>;
}
/** A route with filters and pages. */
interface Lists<Query, Response extends TSchema> extends Answers<Response> {
  query: Query;
}
/** A route that takes a body. */
interface Takes<Body, Response extends TSchema> extends Answers<Response> {
  body: Body;
}

type Done = typeof Fields.Done;

/** By method and path below `/api/v2`. */
export interface Routes {
  'POST /auth/login': Takes<Identity.Login, typeof Identity.SessionView>;
  'POST /auth/logout': Answers<Done>;
  'GET /auth/me': Answers<typeof Identity.Me>;
  'PUT /auth/password': Takes<Identity.PasswordChange, Done>;
  'GET /auth/api-keys': Lists<PageQuery, typeof Identity.ApiKeyPage>;
  'POST /auth/api-keys': Takes<Identity.NewApiKey, typeof Identity.IssuedApiKey>;
  'DELETE /auth/api-keys/{id}': Answers<Done>;
  'POST /auth/oidc/exchange': Takes<Identity.OidcExchange, typeof Identity.SessionView>;

  'GET /accounts': Lists<PageQuery, typeof Identity.AccountPage>;
  'POST /accounts': Takes<Identity.NewAccount, typeof Identity.AccountView>;
  'GET /accounts/{id}': Answers<typeof Identity.AccountView>;
  'PATCH /accounts/{id}': Takes<Identity.NewAccount, typeof Identity.AccountView>;
  'GET /users': Lists<Identity.UserQuery, typeof Identity.UserPage>;
  'POST /users': Takes<Identity.NewUser, typeof Identity.UserView>;
  'GET /users/{id}': Answers<typeof Identity.UserView>;
  'PATCH /users/{id}': Takes<Identity.UserChange, typeof Identity.UserView>;
  'DELETE /users/{id}': Answers<typeof Identity.UserView>;
  'GET /audit': Lists<Audit.AuditQuery, typeof Audit.AuditPage>;
  'GET /audit/chain': Answers<typeof Audit.AuditChain>;

  'GET /providers': Lists<Providers.ProviderQuery, typeof Providers.ProviderPage>;
  'POST /providers': Takes<Providers.NewProvider, typeof Providers.ProviderCreated>;
  'GET /providers/{id}': Answers<typeof Providers.ProviderDetails>;
  'PATCH /providers/{id}': Takes<Providers.ProviderChange, typeof Providers.ProviderDetails>;
  'DELETE /providers/{id}': Answers<Done>;
  'POST /providers/{id}/verify': Answers<typeof Providers.ProviderDetails>;
  'POST /providers/{id}/suspend': Takes<Static<typeof Providers.Suspension>, typeof Providers.ProviderDetails>;
  'POST /providers/{id}/clusters': Takes<Clusters.NewCluster, typeof Clusters.ClusterCreated>;
  'GET /providers/me/clusters': Lists<Clusters.ClusterQuery, typeof Clusters.ClusterPage>;

  'GET /clusters': Lists<Clusters.ClusterQuery, typeof Clusters.ClusterPage>;
  'GET /clusters/{id}': Answers<typeof Clusters.Cluster>;
  'PATCH /clusters/{id}': Takes<Clusters.ClusterChange, typeof Clusters.Cluster>;
  'DELETE /clusters/{id}': Answers<Done>;
  'POST /clusters/{id}/nodes': Takes<Nodes.NewNode, typeof Nodes.NodeCreated>;
  'GET /clusters/{id}/enrolment-tokens': Lists<PageQuery, typeof Clusters.EnrolmentTokenPage>;
  'POST /clusters/{id}/enrolment-tokens': Takes<Clusters.NewEnrolmentToken, typeof Clusters.EnrolmentTokenCreated>;
  'DELETE /clusters/{id}/enrolment-tokens/{token_id}': Answers<Done>;

  'GET /nodes': Lists<Nodes.NodeQuery, typeof Nodes.NodePage>;
  'GET /nodes/{id}': Answers<typeof Nodes.NodeDetails>;
  'PATCH /nodes/{id}': Takes<Nodes.NodeChange, typeof Nodes.Node>;
  'DELETE /nodes/{id}': Answers<Done>;
  'POST /nodes/{id}/cordon': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/uncordon': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/drain': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/decommission': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/onboarding-token': Answers<typeof Nodes.OnboardingToken>;
  'POST /nodes/{id}/inventory': Answers<Done>;

  'GET /gpus': Lists<Gpus.GpuQuery, typeof Gpus.GpuPage>;
  'GET /gpus/{id}': Answers<typeof Gpus.Gpu>;
  'POST /gpus/{id}/maintenance': Takes<Gpus.Maintenance, typeof Gpus.Gpu>;
  'GET /products': Answers<typeof Products.MarketProductList>;
  'PATCH /products/{id}': Takes<Products.ProductChange, typeof Products.MarketProduct>;
  'GET /products/mappings': Answers<typeof Products.MappingList>;
  'POST /products/mappings': Takes<Products.NewMapping, typeof Products.MappingApplied>;
  'DELETE /products/mappings': Lists<Products.MappingKey, typeof Products.MappingApplied>;
  'GET /inventory/changes': Lists<Inventory.ChangesQuery, typeof Inventory.ChangesPage>;
  'GET /inventory/snapshot': Lists<Inventory.SnapshotQuery, typeof Inventory.SnapshotPage>;

  'GET /pools': Lists<Pools.PoolQuery, typeof Pools.PoolPage>;
  'POST /pools': Takes<Pools.NewPool, typeof Pools.Pool>;
  'GET /pools/{id}': Answers<typeof Pools.Pool>;
  'PATCH /pools/{id}': Takes<Pools.PoolChange, typeof Pools.Pool>;
  'DELETE /pools/{id}': Answers<Done>;
  'GET /pools/{id}/gpus': Lists<PageQuery, typeof Gpus.GpuPage>;
  'POST /pools/{id}/gpus/add': Takes<Static<typeof Pools.PoolMembers>, typeof Pools.MembersChanged>;
  'POST /pools/{id}/gpus/remove': Takes<Static<typeof Pools.PoolMembers>, typeof Pools.MembersChanged>;

  'POST /telemetry/batch': Takes<Telemetry.TelemetryBatch, typeof Telemetry.TelemetryAccepted>;
  'GET /telemetry/{node_id}': Lists<Telemetry.TelemetryQuery, typeof Telemetry.TelemetryPage>;
  'GET /nodes/{id}/telemetry': Answers<typeof Telemetry.NodeTelemetry>;

  'GET /verifications': Lists<Verifications.VerificationQuery, typeof Verifications.VerificationPage>;
  'GET /verifications/stream': Lists<Inventory.ChangesQuery, typeof Inventory.ChangesPage>;
  'GET /verifications/{id}': Answers<typeof Verifications.VerificationDetails>;
  'POST /gpus/{id}/fit': Takes<Verifications.FitRequest, typeof Verifications.Fit>;
  'POST /nodes/{id}/challenge': Answers<typeof Verifications.ChallengeAnswer>;

  'GET /incidents': Lists<Incidents.IncidentQuery, typeof Incidents.IncidentPage>;
  'GET /incidents/figures': Lists<Incidents.IncidentFiguresQuery, typeof Incidents.IncidentFigures>;
  'GET /incidents/{id}': Answers<typeof Incidents.Incident>;
  'POST /incidents/{id}/acknowledge': Answers<typeof Incidents.Incident>;
  'POST /incidents/{id}/close': Takes<Incidents.CloseIncident, typeof Incidents.Incident>;
  'GET /alert-rules': Lists<PageQuery, typeof Alerts.AlertRulePage>;
  'POST /alert-rules': Takes<Alerts.CreateAlertRule, typeof Alerts.AlertRule>;
  'GET /alert-rules/{id}': Answers<typeof Alerts.AlertRule>;
  'PATCH /alert-rules/{id}': Takes<Alerts.UpdateAlertRule, typeof Alerts.AlertRule>;
  'DELETE /alert-rules/{id}': Answers<Done>;
  'POST /alert-rules/{id}/test': Answers<typeof Alerts.AlertRuleTest>;
  'GET /alerts': Lists<Alerts.AlertQuery, typeof Alerts.AlertPage>;
  'GET /alerts/{id}': Answers<typeof Alerts.AlertWithDeliveries>;

  'GET /orders': Lists<Orders.OrderQuery, typeof Orders.OrderPage>;
  'POST /orders': Takes<Orders.NewOrder, typeof Orders.Order>;
  'POST /orders/preview': Takes<Orders.NewOrder, typeof Orders.OrderPreview>;
  'POST /orders/match': Takes<Orders.MatchTrigger, typeof Market.Matched>;
  'GET /orders/{id}': Answers<typeof Orders.Order>;
  'PATCH /orders/{id}': Takes<Orders.OrderChange, typeof Orders.Order>;
  'DELETE /orders/{id}': Answers<Done>;
  'GET /orders/{id}/trades': Lists<PageQuery, typeof Orders.OrderTrades>;
  'GET /trades': Lists<Orders.TradeQuery, typeof Orders.TradePage>;
  'GET /trades/{id}': Answers<typeof Orders.Trade>;
  'GET /trades/{id}/gpus': Answers<typeof Orders.TradeGpus>;
  'POST /trades/{id}/settle': Takes<Orders.Settlement, typeof Orders.Trade>;
  'POST /trades/{id}/end': Takes<Orders.TradeEnd, typeof Orders.Trade>;

  'GET /market/depth': Lists<Market.DepthQuery, typeof Market.Depth>;
  'GET /market/stream': Lists<Market.MarketStreamQuery, typeof Market.Depth>;
  'GET /market/trades': Lists<Market.TapeQuery, typeof Market.Tape>;
  'GET /auctions': Lists<Market.AuctionQuery, typeof Market.AuctionPage>;
  'GET /market/status': Answers<typeof Market.MarketStatus>;
  'POST /market/halt': Takes<Market.Halt, Done>;
  'POST /market/resume': Takes<Market.Resume, Done>;
  'POST /market/kill-switch': Takes<Market.KillSwitch, typeof Market.Killed>;
  'POST /market/kill-switch/release': Takes<Market.KillSwitchRelease, Done>;

  'GET /pricing/spot': Lists<Pricing.SpotQuery, typeof Pricing.SpotPrices>;
  'POST /pricing/calculate': Takes<Pricing.PriceRequest, typeof Pricing.PriceEstimate>;
  'GET /pricing/index': Lists<Pricing.PriceIndexQuery, typeof Pricing.PriceIndexPage>;
  'GET /nodes/{id}/pricing': Answers<typeof Pricing.NodePricing>;
  'PUT /nodes/{id}/pricing': Takes<Pricing.NewNodePricing, Done>;
  'DELETE /nodes/{id}/pricing': Answers<Done>;

  'GET /wallet': Lists<Wallets.WalletQuery, typeof Wallets.Wallet>;
  'POST /wallet/deposits': Takes<Wallets.NewDeposit, typeof Wallets.WalletMovement>;
  'POST /wallet/withdrawals': Takes<Wallets.NewWithdrawal, typeof Wallets.WalletMovement>;
  'GET /wallet/transfers': Lists<Wallets.WalletTransferQuery, typeof Wallets.WalletTransferPage>;
}
