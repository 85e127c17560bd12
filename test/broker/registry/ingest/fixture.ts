// A broker's ingest on a real database, with a clock that the test turns, and nodes that speak to it.
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { newId } from '../../../../src/broker/ids.ts';
import type { Beat, JoinedNode } from '../../../../src/broker/registry/ingest/contract.ts';
import { createIngest, type IngestOptions, type IngestService } from '../../../../src/broker/registry/ingest/ingest.ts';
import type { Database } from '../../../../src/broker/storage/database.ts';
import type { DeclaredGpus } from '../../../../src/broker/storage/schema.ts';
import { Device } from '../../../../src/wire/gpubroker/device/v1/device_details.ts';
import { type Change, type Gpu, NodeIdentity } from '../../../../src/wire/gpubroker/node/v1/node_link.ts';

export const heartbeatMs = 3_000;
const startOfTime = Date.UTC(2026, 0, 5, 12);

/** A clock that only the test turns. */
export class TestClock {
  #now = startOfTime;
  readonly now = () => new Date(this.#now);
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

export interface Place {
  readonly providerId: string;
  readonly clusterId: string;
}

/** An account, a provider and a cluster. */
export async function insertPlace(db: Database, clock: TestClock): Promise<Place> {
  const at = clock.now();
  const [accountId, providerId, clusterId] = [newId(), newId(), newId()];
  await db.insertInto('accounts').values({ id: accountId, name: 'a', created_at: at }).execute();
  const provider = { name: 'p', company: 'c', status: 'verified' as const, status_reason: null, kyc_data: '{}' };
  await db
    .insertInto('providers')
    .values({ id: providerId, account_id: accountId, ...provider, created_at: at, status_changed_at: at })
    .execute();
  await db
    .insertInto('clusters')
    .values({ id: clusterId, provider_id: providerId, name: 'c', region: 'eu-1', specs: '{}', created_at: at })
    .execute();
  return { providerId, clusterId };
}

/** Registered nodes that have not joined yet; their ids. */
export async function insertNodes(
  db: Database,
  clock: TestClock,
  { clusterId }: Place,
  count: number,
  declared: readonly DeclaredGpus[] = [],
): Promise<string[]> {
  const at = clock.now();
  const ids = Array.from({ length: count }, () => newId());
  const declared_gpus = JSON.stringify(declared);
  const rows = ids.map((id) => ({
    id,
    cluster_id: clusterId,
    hostname: id,
    declared_gpus,
    created_at: at,
    status_since: at,
  }));
  for (let from = 0; from < count; from += 1000)
    await db
      .insertInto('nodes')
      .values(rows.slice(from, from + 1000))
      .execute();
  return ids;
}

/** An ingest as a process would have it. */
export function newIngest(database: Database, clock: TestClock, options: Partial<IngestOptions> = {}): IngestService {
  return createIngest({
    database,
    now: clock.now,
    log: pino({ level: 'silent' }),
    registry: new Registry(),
    heartbeatMs,
    random: () => 0,
    ...options,
  });
}

export function joinedNode(place: Place, nodeId: string, clock: TestClock, more: Partial<JoinedNode> = {}): JoinedNode {
  const identity = NodeIdentity.fromPartial({
    nodeName: nodeId,
    machineId: 'machine',
    bootId: 'boot',
    processId: 'process',
    agentVersion: '1.0.0',
    sources: ['nvml'],
  });
  return { nodeId, ...place, identity, spoolId: 'spool', ipAddress: '10.0.0.1', at: clock.now(), ...more };
}

export function beatOf(clock: TestClock, more: Partial<Beat> = {}): Beat {
  return { at: clock.now(), nodeTime: clock.now(), roundTripMicros: 800, telemetryDropped: 0n, ...more };
}

/** An H100 as its node reports it. */
export function gpu(
  name: string,
  health: 'healthy' | 'unhealthy' | 'unknown' = 'healthy',
  more: Partial<Device> = {},
): Gpu {
  const status = { healthy: 'True', unhealthy: 'False', unknown: 'Unknown' }[health];
  const device = Device.fromPartial({
    name,
    uuid: name.toUpperCase(),
    source: 'nvml',
    vendor: 'nvidia',
    model: 'NVIDIA H100 80GB HBM3',
    memory: { totalBytes: 85_520_809_984n },
    pci: { busId: '00000000:3B:00.0', deviceId: 0x233010de, linkWidth: 16 },
    health,
    ...more,
  });
  const lastTransitionTime = new Date(startOfTime);
  return {
    device,
    conditions: [{ type: 'Ready', status, reason: 'Answers', message: '', lastTransitionTime }],
    recommendedAction: '',
    resourceVersion: '1',
    computeProcesses: 0,
  };
}

export function snapshot(sequence: number, gpus: Gpu[]) {
  return { sequence: BigInt(sequence), time: new Date(startOfTime), gpus };
}

export function change(sequence: number, what: Gpu | string): Change {
  const time = new Date(startOfTime);
  return typeof what === 'string'
    ? { sequence: BigInt(sequence), time, removed: what }
    : { sequence: BigInt(sequence), time, changed: what };
}

/** The GPUs that a node shows: health by name. */
export async function shownGpus(db: Database, nodeId: string): Promise<Record<string, string>> {
  const rows = await db
    .selectFrom('gpus')
    .select(['name', 'health'])
    .where('node_id', '=', nodeId)
    .where('removed_at', 'is', null)
    .orderBy('name')
    .execute();
  return Object.fromEntries(rows.map(({ name, health }) => [name, health]));
}

export function nodeRow(db: Database, nodeId: string) {
  return db.selectFrom('nodes').selectAll().where('id', '=', nodeId).executeTakeFirstOrThrow();
}

/** Kinds of the journal's events from the beginning, incidents left out. */
export async function journalKinds(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('journal').select('kind').orderBy('seq').execute();
  return rows.map(({ kind }) => kind).filter((kind) => !kind.startsWith('incident.'));
}

/** `kind` of the incidents that are open. */
export async function openIncidents(db: Database): Promise<string[]> {
  const rows = await db.selectFrom('incidents').select('kind').where('closed_at', 'is', null).orderBy('kind').execute();
  return rows.map(({ kind }) => kind);
}
