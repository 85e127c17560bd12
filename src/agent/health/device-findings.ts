// The health of one device: everything that was found of it, each kept for as long as its kind says.
//
//   HardwareFailure, ResetRequired   until the device has recovered (recovery.ts), all of them together
//   Degraded                         until it has not been seen for a while (hold-down.ts)
//   XidWarning, ApplicationFault     for a fixed time after the latest event
//   MIGEnabled                       as long as the record says so
import type { RecoveryAction } from '../devices/record.ts';
import { uncorrectableEcc } from './events.ts';
import { type Finding, isLoss, keyOf, needsRecovery, withoutResetNote, withResetNote } from './finding.ts';
import { HoldDown } from './hold-down.ts';
import { type Look, Polls } from './polls.ts';
import { type ActiveProbe, Recovery } from './recovery.ts';

/** How long what only informs is shown after it happened last, in milliseconds. */
const lives = { XidWarning: 60 * 60_000, ApplicationFault: 10 * 60_000 };
/** Findings of one kind that are kept for one device: of failures the first, of what only informs the latest. */
const MAX_FINDINGS = 16;
/** Uncorrectable errors counted so close to a contained error are that error, in milliseconds. */
const CONTAINED_MS = 30_000;

/** What every device's health depends on. */
export interface DeviceFindingsOptions {
  readonly quietPeriod: number;
  readonly probe: () => ActiveProbe;
  /** Monotonic, in milliseconds. */
  readonly clock: () => number;
}

interface Passing {
  readonly finding: Finding;
  readonly at: number;
}

/** What is known of one device's health. */
export class DeviceFindings {
  readonly #clock: () => number;
  readonly #recovery: Recovery;
  readonly #polls: Polls;
  /** By key, in the order in which they were found. */
  readonly #failures = new Map<string, Passing>();
  readonly #degradations = new Map<string, { finding: Finding; hold: HoldDown }>();
  readonly #notices = new Map<string, Passing>();
  #containedAt = -Infinity;
  #standing = new Set<string>();
  #isMigParent = false;
  #action: RecoveryAction | undefined;

  constructor({ quietPeriod, probe, clock }: DeviceFindingsOptions, remembered: readonly Finding[] = []) {
    this.#clock = clock;
    this.#recovery = new Recovery({ quietPeriod, probe: probe(), clock });
    this.#polls = new Polls({ expectsAllLinks: remembered.some(({ reason }) => reason === 'NvlinkDown') });
    const earlier = remembered.map(withoutResetNote);
    for (const { finding } of earlier) this.hit(finding);
    if (earlier.some(({ wasReset }) => wasReset)) this.#recovery.wasReset();
  }

  /** What the driver said last that should be done; undefined where it does not say. */
  get action(): RecoveryAction | undefined {
    return this.#action;
  }

  /** Whether it has failed, and not recovered since. */
  get hasFailed(): boolean {
    return this.#failures.size > 0;
  }

  /** How long it has to be without trouble once it has failed, in milliseconds. */
  get quietPeriod(): number {
    return this.#recovery.quietPeriod;
  }

  /** Whether something is kept here that a new look would not show. */
  get isRemarkable(): boolean {
    return this.#failures.size + this.#notices.size > 0 || this.#degraded().length > 0;
  }

  /**
   * Takes a look at the device.
   *
   * @param parentAction what the driver recommends for the device of which this is a part
   * @returns whether the device was reset since the look before
   */
  look(look: Look, parentAction?: RecoveryAction): boolean {
    const { isNews, complete, standing, grown, wasReset } = this.#polls.take(look, this.#clock());
    this.#isMigParent = look.record.mig?.enabled === true && look.record.parent === undefined;
    this.#stand(standing, isNews);
    for (const finding of grown) this.hit(finding);
    if (wasReset) this.#recovery.wasReset();
    this.#action = look.health?.recoveryAction ?? look.readings?.recoveryAction;
    if (complete) this.#recover(standing, this.#action ?? parentAction);
    this.#expireNotices();
    return wasReset;
  }

  /** Something happened to the device. */
  hit(finding: Finding): void {
    if (this.#isContained(finding)) return;
    const key = keyOf(finding);
    const now = this.#clock();
    if (needsRecovery(finding.type)) {
      this.#recovery.failed();
      put(this.#failures, key, { finding, at: this.#failures.get(key)?.at ?? now });
    } else if (finding.type === 'Degraded') {
      const held = this.#degradations.get(key) ?? { finding, hold: new HoldDown(this.#clock) };
      held.hold.see();
      put(this.#degradations, key, held);
    } else {
      put(this.#notices, key, { finding, at: now }, 'the latest');
    }
  }

  /** A contained error explains the uncorrectable errors that are counted with it, whichever is told first. */
  contained(): void {
    this.#containedAt = this.#clock();
    const key = keyOf(uncorrectableEcc);
    const counted = this.#failures.get(key);
    if (counted && this.#containedAt - counted.at <= CONTAINED_MS) this.#failures.delete(key);
  }

  /** The device, or the one of which it is a part, was reset, or the machine booted. */
  wasReset(): void {
    this.#recovery.wasReset();
  }

  /** All that is the matter, and nothing twice. */
  findings(): Finding[] {
    const failures = [...this.#failures.values()].map(({ finding }) => finding);
    const others = [...this.#degraded(), ...this.#notices.values()].map(({ finding }) => finding);
    return [
      ...(this.#recovery.resetSeen ? failures.map(withResetNote) : failures),
      ...others,
      ...(this.#isMigParent ? [migEnabled] : []),
    ];
  }

  /** Those that no longer hold stay in the map, for how often each came back is remembered. */
  #degraded() {
    const all = [...this.#degradations.values()];
    return all.filter(({ finding, hold }) => hold.holds() || this.#standing.has(keyOf(finding)));
  }

  /** What was the matter at the last look with news is so until the next one. */
  #stand(standing: readonly Finding[], isNews: boolean): void {
    const keys = new Set([...(isNews ? [] : this.#standing), ...standing.map(keyOf)]);
    for (const finding of standing) {
      const key = keyOf(finding);
      // One that stands on is no new failure: a reset that was seen meanwhile still counts.
      if (finding.type === 'Degraded' || !this.#standing.has(key) || !this.#failures.has(key)) this.hit(finding);
    }
    this.#standing = keys;
  }

  #isContained(finding: Finding): boolean {
    return finding === uncorrectableEcc && this.#clock() - this.#containedAt <= CONTAINED_MS;
  }

  #recover(standing: readonly Finding[], action: RecoveryAction | undefined): void {
    if (this.#failures.size === 0) return;
    const trouble = standing.some(({ type }) => needsRecovery(type));
    const lost = [...this.#failures.values()].some(({ finding }) => isLoss(finding));
    if (this.#recovery.look({ trouble, action, lost })) this.#failures.clear();
  }

  #expireNotices(): void {
    for (const [key, { finding, at }] of this.#notices) {
      const life = finding.type === 'ApplicationFault' ? lives.ApplicationFault : lives.XidWarning;
      if (this.#clock() - at >= life) this.#notices.delete(key);
    }
  }
}

const migEnabled: Finding = {
  type: 'MIGEnabled',
  reason: 'MigModeOn',
  message: 'its MIG instances are devices of their own',
  action: '',
};

/** Keeps a map from growing without end. */
function put<Value>(
  map: Map<string, Value>,
  key: string,
  value: Value,
  kept: 'the first' | 'the latest' = 'the first',
) {
  const oldest = map.keys().next();
  if (!map.has(key) && map.size >= MAX_FINDINGS) {
    if (kept === 'the first' || oldest.done) return;
    map.delete(oldest.value);
  }
  map.set(key, value);
}
