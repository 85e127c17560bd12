// All routes of the registry and the inventory.
import type { ApiServer } from '../app.ts';
import { clusterRoutes } from './clusters.ts';
import { gpuRoutes, productMappingRoutes } from './gpus.ts';
import { type InventoryServices, inventoryRoutes } from './inventory.ts';
import { type NodeServices, nodeRoutes } from './nodes.ts';
import { poolRoutes } from './pools.ts';
import { providerRoutes } from './providers.ts';

/** What they work with. */
export type RegistryServices = NodeServices & InventoryServices;

/** Registers them. */
export function registryRoutes(app: ApiServer, services: RegistryServices): void {
  providerRoutes(app, services);
  clusterRoutes(app, services);
  nodeRoutes(app, services);
  gpuRoutes(app, services);
  productMappingRoutes(app, services);
  poolRoutes(app, services);
  inventoryRoutes(app, services);
}
