// What a health rule has found of a device: the condition that it becomes, and what should be done.
import type { RecommendedAction } from './xids.ts';

/** The conditions that health rules report; what each means for a GPU's health is said in src/daemon/health.ts. */
export type FindingType =
  /** Broken: not to be used until it has recovered. */
  | 'HardwareFailure'
  /** To be reset before it is used again. */
  | 'ResetRequired'
  /** Slower or less reliable than it should be. */
  | 'Degraded'
  /** Informs: the driver reported an XID that says nothing certain of the GPU. */
  | 'XidWarning'
  /** Informs: an application failed, the GPU did not. */
  | 'ApplicationFault'
  /** Informs: the GPU is divided into MIG instances. */
  | 'MIGEnabled';

/** One thing that is the matter. Its message never changes while it lasts: each new one is a new version of the GPU. */
export interface Finding {
  readonly type: FindingType;
  /** One word; with the type it says what this is. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  readonly action: RecommendedAction;
}

/** What tells two findings of one device apart. */
export function keyOf({ type, reason }: Pick<Finding, 'type' | 'reason'>): string {
  return `${type}/${reason}`;
}

/** Whether only the recovery rule takes this back (recovery.ts). */
export function needsRecovery(type: string): type is 'HardwareFailure' | 'ResetRequired' {
  return type === 'HardwareFailure' || type === 'ResetRequired';
}

/** `BeforeRestart`: what it was is not known any more. */
const losses = new Set(['GpuLost', 'GpuUnavailable', 'Xid79', 'BeforeRestart']);

/** Whether the device can only have come back by a reset, a reload of its driver or a reboot. */
export function isLoss({ reason }: Pick<Finding, 'reason'>): boolean {
  return losses.has(reason);
}

/** Stands in the message of what a reset was seen to follow; it survives a restart of the agent there. */
const resetNote = ' (reset since)';

/** The finding of a device that was reset since. */
export function withResetNote(finding: Finding): Finding {
  return { ...finding, message: `${finding.message}${resetNote}` };
}

/** A finding as it was found, and whether a reset was seen to follow. */
export function withoutResetNote(finding: Finding): { readonly finding: Finding; readonly wasReset: boolean } {
  const message = finding.message.replaceAll(resetNote, '');
  return { finding: { ...finding, message }, wasReset: message !== finding.message };
}
