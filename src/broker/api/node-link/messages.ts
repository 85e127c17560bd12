// Reads what a node sends, and refuses what breaks the protocol before anything is made of it.

import {
  type Change,
  type Changes,
  ConnectRequest,
  type Gpu,
  type Snapshot,
  type Telemetry,
} from '../../../wire/gpubroker/node/v1/node_link.ts';
import type { Condition } from '../../../wire/nvidia/device/v1alpha1/gpu.ts';
import { Refusal } from '../../refusal.ts';
import type { NodeLinkLimits } from './limits.ts';

/** A message that the protocol does not allow. */
export function violation(message: string): Refusal {
  return new Refusal('invalid', 'GPUB_PROTOCOL', message);
}

/** A message that the protocol does not allow at this point. */
export function outOfPlace(message: string): Refusal {
  return new Refusal('conflict', 'GPUB_PROTOCOL', message);
}

/** @throws Refusal for bytes that are no message */
export function readMessage(bytes: Uint8Array): ConnectRequest {
  try {
    return ConnectRequest.decode(bytes);
  } catch {
    throw violation('what came is not a ConnectRequest');
  }
}

/** @throws Refusal naming the limit that it breaks */
export function checkSnapshot(snapshot: Snapshot, limits: NodeLinkLimits): void {
  checkTime('snapshot.time', snapshot.time);
  checkCount('snapshot.gpus', snapshot.gpus.length, limits.gpus);
  const names = new Set<string>();
  for (const gpu of snapshot.gpus) {
    const name = checkGpu(gpu, limits);
    if (names.has(name)) throw violation(`snapshot.gpus names ${name} twice`);
    names.add(name);
  }
}

/** @throws Refusal naming the limit that they break */
export function checkChanges({ changes }: Changes, limits: NodeLinkLimits): void {
  checkCount('changes.changes', changes.length, limits.changesPerMessage);
  for (const [i, change] of changes.entries()) {
    const before = changes[i - 1];
    if (change.sequence === 0n || (before && change.sequence !== before.sequence + 1n))
      throw violation('changes.changes: sequences begin at 1 and go up by one');
    checkTime('changes.time', change.time);
    checkChange(change, limits);
  }
}

/** @throws Refusal naming the limit that it breaks */
export function checkTelemetry({ sequence, time, samples }: Telemetry, limits: NodeLinkLimits): void {
  if (sequence === 0n) throw violation('telemetry.sequence begins at 1');
  checkTime('telemetry.time', time);
  checkCount('telemetry.samples', samples.length, limits.gpus);
  for (const { gpu } of samples) checkText('telemetry.samples.gpu', gpu, 1, limits.nameLength);
}

/** @throws Refusal for a time that is no time; one may be left out where the broker has its own */
export function checkTime(field: string, time: Date | undefined, required = true): void {
  if (!time && !required) return;
  // PostgreSQL's timestamps, and ISO 8601 with four digits, end with the year 9999.
  const year = time?.getUTCFullYear() ?? Number.NaN;
  if (!(year >= 1970 && year <= 9999)) throw violation(`${field} is not a time from 1970 to 9999`);
}

/** @throws Refusal for a text that is too long or too short, or that a database does not take */
export function checkText(field: string, text: string, least: number, most: number): void {
  if (text.length < least || text.length > most) throw violation(`${field} has ${least} to ${most} characters`);
  if (text.includes('\0')) throw violation(`${field} holds a NUL`);
}

function checkChange(change: Change, limits: NodeLinkLimits): void {
  const { changed, removed } = change;
  if ((changed === undefined) === (removed === undefined))
    throw violation('changes.changes: each has either changed or removed');
  if (changed) checkGpu(changed, limits);
  else checkText('changes.removed', removed ?? '', 1, limits.nameLength);
}

/** Returns its name. */
function checkGpu({ device, conditions, recommendedAction, resourceVersion }: Gpu, limits: NodeLinkLimits): string {
  if (!device) throw violation('a GPU has its device');
  checkText('device.name', device.name, 1, limits.nameLength);
  checkText('recommended_action', recommendedAction, 0, limits.nameLength);
  checkText('resource_version', resourceVersion, 0, limits.nameLength);
  checkCount('conditions', conditions.length, limits.conditionsPerGpu);
  for (const condition of conditions) checkCondition(condition, limits);
  return device.name;
}

function checkCondition({ type, status, reason, message }: Condition, limits: NodeLinkLimits): void {
  checkText('conditions.type', type, 1, limits.nameLength);
  checkText('conditions.status', status, 0, limits.reasonLength);
  checkText('conditions.reason', reason, 0, limits.reasonLength);
  checkText('conditions.message', message, 0, limits.textLength);
}

/** @throws Refusal for too many */
export function checkCount(field: string, count: number, most: number): void {
  if (count > most) throw violation(`${field} has ${count} entries: at most ${most} are taken`);
}
