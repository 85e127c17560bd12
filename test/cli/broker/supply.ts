// A provider's fleet for commands to look at: GPUs that differ in everything that can be searched by, an incident, and
// telemetry.
import { newId } from '../../../src/broker/ids.ts';
import { reportIncidents } from '../../../src/broker/incidents/incidents.ts';
import { addGpu, addNode, type TestNode } from '../../fixtures/registry.ts';
import type { ServedBroker } from './broker.ts';

export interface Fleet {
  /** Healthy, in eu-north-1. */
  readonly hopper: TestNode & { readonly gpu: string };
  /** Of another provider of the account, in us-1; its GPU is broken. */
  readonly ada: TestNode & { readonly gpu: string };
  /** It was taken out of the first node. */
  readonly removed: string;
}

/** Stores it for the provider among the people. */
export async function addFleet({ database: { db }, people }: ServedBroker): Promise<Fleet> {
  const { accountId } = people.provider;
  const one = await addNode(db, accountId, { hostname: 'hopper-1' });
  const two = await addNode(db, accountId, { hostname: 'ada-1', status: 'degraded', status_reason: 'GPUs' }, 'us-1');
  const hopper = await addGpu(db, one, {
    score: 90,
    serial: 'S1',
    uuid: 'GPU-one',
    ecc: true,
    mig: true,
    numa_node: 1,
    label: 'measured',
    driver_version: '570.1',
    cuda_version: '12.8',
    vbios_version: '96.1',
    attributes: JSON.stringify({ pci: { maxLinkGeneration: 5 } }),
  });
  const ada = await addGpu(db, two, {
    vendor: 'other',
    model: 'NVIDIA L4',
    architecture: 'ada',
    product: 'L4-PCIe-24GB',
    form_factor: 'PCIe',
    interconnect: 'PCIe4',
    memory_bytes: 24 * 2 ** 30,
    compute_capability: '8.9',
    health: 'unhealthy',
    status: 'maintenance',
    label: 'simulated',
    score: 10,
    serial: 'S2',
    uuid: 'GPU-two',
    ecc: false,
    mig: false,
    numa_node: 0,
    parent: 'gpu-parent',
    recommended_action: 'RESET_GPU',
    driver_version: '560.1',
    cuda_version: '12.6',
    vbios_version: '95.1',
  });
  const condition = {
    gpu_id: ada,
    type: 'DriverHealth',
    status: 'False' as const,
    reason: 'Xid79',
    message: 'fell off',
  };
  await db
    .insertInto('gpu_conditions')
    .values({ ...condition, last_transition_at: new Date() })
    .execute();
  const removed = await addGpu(db, one, { removed_at: new Date(), serial: 'S3', uuid: 'GPU-three' });
  return { hopper: { ...one, gpu: hopper }, ada: { ...two, gpu: ada }, removed };
}

/** Reports one; returns its id. */
export async function addIncident(
  { database: { db } }: ServedBroker,
  { providerId, clusterId, nodeId }: TestNode,
  title = 'a node is offline',
): Promise<string> {
  const report = { kind: 'node-offline', severity: 'critical' as const, title, subject: `node:${newId()}` };
  await db
    .transaction()
    .execute((trx) => reportIncidents(trx, new Date(), [{ ...report, providerId, clusterId, nodeId }]));
  const { subject } = report;
  return (await db.selectFrom('incidents').select('id').where('subject', '=', subject).executeTakeFirstOrThrow()).id;
}
