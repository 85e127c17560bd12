// Which incidents a batch opens and closes: those of GPUs by what happened to them, those of nodes by their status.
import type { GpuHealth } from '../../../daemon/health.ts';
import type { IncidentName, IncidentReport } from '../../incidents/incidents.ts';
import { incidentKind, incidentTitle } from '../../incidents/kinds.ts';
import { isSimulated, type NodeWork } from './batch.ts';
import { unhealthyBecause } from './gpu-record.ts';
import { dropsAreOver } from './live-nodes.ts';
import type { NodeRow } from './sql/load-nodes.ts';
import type { GpuRow } from './sql/store-gpus.ts';

/** What is to be reported, and what closed, by reason. */
export interface IncidentChanges {
  readonly reports: IncidentReport[];
  readonly closed: Map<string, IncidentName[]>;
}

export function close(changes: IncidentChanges, reason: string, ...names: IncidentName[]): void {
  const listed = changes.closed.get(reason);
  if (listed) listed.push(...names);
  else changes.closed.set(reason, [...names]);
}

/** A report about a node. */
export function nodeReport(node: NodeRow, kind: string, details: Record<string, unknown>): IncidentReport {
  return {
    kind,
    severity: incidentKind(kind).severity,
    subject: `node:${node.id}`,
    title: incidentTitle(kind, node.hostname),
    details: { hostname: node.hostname, ...details },
    providerId: node.provider_id,
    clusterId: node.cluster_id,
    nodeId: node.id,
  };
}

/** What a report needs of a GPU. */
export type GpuInReport = Pick<GpuRow, 'id' | 'name' | 'model' | 'node_id' | 'cluster_id' | 'provider_id'>;

/** A report about a GPU. */
export function gpuReport(
  gpu: GpuInReport,
  hostname: string,
  kind: string,
  details: Record<string, unknown>,
): IncidentReport {
  return {
    kind,
    severity: incidentKind(kind).severity,
    subject: `gpu:${gpu.id}`,
    title: incidentTitle(kind, `${gpu.model ?? 'GPU'} ${gpu.name} of ${hostname}`),
    details: { hostname, gpu: gpu.name, ...details },
    providerId: gpu.provider_id,
    clusterId: gpu.cluster_id,
    nodeId: gpu.node_id,
    gpuId: gpu.id,
  };
}

/** Compares a node's status before and after, and what its beats said. */
export function nodeIncidents(work: NodeWork, now: number, changes: IncidentChanges): void {
  const { before, verdict, live, clockWrong, dropped } = work;
  const named = (kind: string) => ({ kind, subject: `node:${before.id}` });
  if (before.decommissioned_at) {
    close(changes, 'the node was decommissioned', ...nodeKinds.map(named));
    return;
  }
  if (verdict.status !== before.status) {
    if (before.status === 'offline') close(changes, 'the node is back', named('node-offline'));
    if (before.status === 'degraded') close(changes, `the node is ${verdict.status}`, named('node-degraded'));
    const details = { reason: verdict.reason, last_seen_at: before.last_seen_at };
    if (verdict.status === 'offline') changes.reports.push(nodeReport(before, 'node-offline', details));
    if (verdict.status === 'degraded') changes.reports.push(nodeReport(before, 'node-degraded', details));
  }
  if (clockWrong && !live.skewReported) {
    changes.reports.push(nodeReport(before, 'clock-skew', { clock_skew_ms: live.skew }));
  }
  if (!clockWrong && live.skewReported) close(changes, 'the clock is right again', named('clock-skew'));
  if (dropped > before.telemetry_dropped) {
    const details = { dropped: dropped - before.telemetry_dropped, dropped_since_spool_began: dropped };
    changes.reports.push(nodeReport(before, 'telemetry-dropped', details));
  }
  if (dropsAreOver(live, now)) close(changes, 'nothing more was dropped', named('telemetry-dropped'));
}

const nodeKinds = ['node-offline', 'node-degraded', 'clock-skew', 'inventory-mismatch', 'telemetry-dropped'];
const gpuKinds = ['gpu-unhealthy', 'gpu-unknown', 'gpu-removed', 'duplicate-gpu'];
const kindOfHealth: Partial<Record<GpuHealth, string>> = { unhealthy: 'gpu-unhealthy', unknown: 'gpu-unknown' };

/** Follows each GPU of a node through its steps; `rows` by name, as they are now. */
export function gpuIncidents(
  work: NodeWork,
  rows: ReadonlyMap<string, GpuRow & { inserted?: boolean }>,
  changes: IncidentChanges,
): void {
  const { before, diff } = work;
  for (const [name, steps] of Map.groupBy(diff.steps, (step) => step.name)) {
    const row = rows.get(name);
    if (!row) continue;
    const named = (kind: string) => ({ kind, subject: `gpu:${row.id}` });
    if (before.decommissioned_at) {
      close(changes, 'the node was decommissioned', ...gpuKinds.map(named));
      continue;
    }
    let health: GpuHealth | undefined = diff.before.get(name)?.health;
    const past = new Set([health]);
    for (const step of steps) {
      const next: GpuHealth | undefined = step.kind === 'removed' ? undefined : step.gpu.record.columns.health;
      const kind = next && next !== health && kindOfHealth[next];
      if (kind && step.kind !== 'removed') {
        const { conditions } = step.gpu.record;
        const details = { because: unhealthyBecause(step.gpu.record), simulated: isSimulated(work), conditions };
        changes.reports.push(gpuReport(row, before.hostname, kind, details));
      }
      // MIG instances come and go as their owner likes.
      if (step.kind === 'removed' && row.parent === null) {
        changes.reports.push(gpuReport(row, before.hostname, 'gpu-removed', { uuid: row.uuid, serial: row.serial }));
      }
      health = next;
      past.add(next);
    }
    const over = [...past].filter((word) => word !== health).flatMap((word) => (word && kindOfHealth[word]) ?? []);
    close(changes, health ? `its health is ${health}` : 'the GPU is gone', ...over.map(named));
    const cameBack = steps.some(({ kind }) => kind === 'added') && row.inserted !== true;
    if (health && (cameBack || steps.some(({ kind }) => kind === 'removed'))) {
      close(changes, 'the GPU is back', named('gpu-removed'));
    }
  }
}
