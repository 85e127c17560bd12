// What each route of the HTTP API takes and answers. A test compares these names with the OpenAPI document.
import type { Static, TSchema } from 'typebox';
import type * as Clusters from '../api/clusters.ts';
import type * as Gpus from '../api/gpus.ts';
import type * as Incidents from '../api/incidents.ts';
import type * as Inventory from '../api/inventory.ts';
import type { PageQuery } from '../api/lists.ts';
import type * as Nodes from '../api/nodes.ts';
import type * as Pools from '../api/pools.ts';
import type * as Products from '../api/products.ts';
import type * as Providers from '../api/providers.ts';

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

type Done = typeof Providers.Done;

/** By method and path below `/api/v2`. */
export interface Routes {
  'GET /providers': Lists<Providers.ProviderQuery, typeof Providers.ProviderPage>;
  'POST /providers': Takes<Providers.NewProvider, typeof Providers.ProviderCreated>;
  'GET /providers/{id}': Answers<typeof Providers.ProviderDetails>;
  'PATCH /providers/{id}': Takes<Providers.ProviderChange, typeof Providers.ProviderDetails>;
  'DELETE /providers/{id}': Answers<Done>;
  'POST /providers/{id}/verify': Answers<typeof Providers.ProviderDetails>;
  'POST /providers/{id}/suspend': Takes<Static<typeof Providers.Suspension>, typeof Providers.ProviderDetails>;
  'GET /providers/{id}/clusters': Lists<Clusters.ClusterQuery, typeof Clusters.ClusterPage>;
  'POST /providers/{id}/clusters': Takes<Clusters.NewCluster, typeof Clusters.ClusterCreated>;
  'GET /providers/me/clusters': Lists<Clusters.ClusterQuery, typeof Clusters.ClusterPage>;

  'GET /clusters/{id}': Answers<typeof Clusters.Cluster>;
  'DELETE /clusters/{id}': Answers<Done>;
  'POST /clusters/{id}/nodes': Takes<Nodes.NewNode, typeof Nodes.NodeCreated>;
  'POST /clusters/{id}/enrolment-tokens': Takes<Clusters.NewEnrolmentToken, typeof Clusters.EnrolmentTokenCreated>;

  'GET /clusters/{id}/enrolment-tokens': Lists<Static<typeof PageQuery>, typeof Clusters.EnrolmentTokenPage>;
  'DELETE /enrolment-tokens/{id}': Answers<Done>;

  'GET /nodes': Lists<Nodes.NodeQuery, typeof Nodes.NodePage>;
  'GET /nodes/{id}': Answers<typeof Nodes.NodeDetails>;
  'DELETE /nodes/{id}': Answers<Done>;
  'POST /nodes/{id}/cordon': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/uncordon': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/drain': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/decommission': Answers<typeof Nodes.Node>;
  'POST /nodes/{id}/inventory': Answers<Done>;

  'GET /gpus': Lists<Gpus.GpuQuery, typeof Gpus.GpuPage>;
  'GET /gpus/{id}': Answers<typeof Gpus.Gpu>;
  'POST /gpus/{id}/maintenance': Takes<Gpus.Maintenance, typeof Gpus.Gpu>;
  'GET /products': Answers<typeof Products.ProductList>;

  'GET /pools': Lists<Pools.PoolQuery, typeof Pools.PoolPage>;
  'GET /inventory/changes': Lists<Inventory.ChangesQuery, typeof Inventory.ChangesPage>;
  'GET /inventory/snapshot': Lists<Inventory.SnapshotQuery, typeof Inventory.SnapshotPage>;

  'GET /incidents': Lists<Incidents.IncidentQuery, typeof Incidents.IncidentPage>;
  'GET /incidents/{id}': Answers<typeof Incidents.Incident>;
  'POST /incidents/{id}/acknowledge': Answers<typeof Incidents.Incident>;
  'POST /incidents/{id}/close': Takes<Incidents.CloseIncident, typeof Incidents.Incident>;
}
