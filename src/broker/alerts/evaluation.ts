// Decides what becomes of alerts and who is told: a pure function of what is found, what was before, and the time.
//
//   (none) ──found──▶ pending ──found for long enough, and the group has waited──▶ firing
//                        │                                                          │
//                        └──clear: forgotten                                        └──clear for a minute──▶ resolved
//
// No storm: of a rule's group there is at most one notice that it fires in each repeat interval, also when it resolves
// and fires again; of a rule at most `maxNoticesPerHour` an hour, then one that says so. A resolved notice follows
// only what was told to fire. A muted rule goes through the states in silence.
import type { AlertSubject } from '../../api/alerts.ts';
import type { Severity } from '../storage/schema.ts';
import type { Finding, Rule } from './findings.ts';

/** An alert, pending or firing; resolved once only when it is written. */
export interface AlertState {
  readonly id: string;
  readonly ruleId: string;
  readonly groupKey: string;
  readonly status: 'pending' | 'firing' | 'resolved';
  readonly severity: Severity;
  readonly subjects: readonly AlertSubject[];
  readonly count: number;
  readonly openedAt: Date;
  readonly firedAt: Date | null;
  readonly notifiedAt: Date | null;
  readonly clearSince: Date | null;
  readonly resolvedAt: Date | null;
}

export type NoticeKind = 'firing' | 'repeat' | 'resolved' | 'suppressed';

/** Somebody is to be told. */
export interface Notice {
  readonly kind: NoticeKind;
  readonly alert: AlertState;
  /** For `suppressed`: how many notices were held back when the limit was reached. */
  readonly heldBack?: number;
}

/** What a rule has told in the last hour. */
export interface Told {
  /** Notices that something fires. */
  readonly firing: number;
  /** Notices that others are suppressed. */
  readonly suppressed: number;
}

export interface EvaluationInput {
  /** Those that are enabled; alerts of others are resolved in silence. */
  readonly rules: readonly Rule[];
  readonly findings: readonly Finding[];
  /** Those that are not resolved. */
  readonly alerts: readonly AlertState[];
  /** When each group was last told to fire, by earlier alerts: `groupName` → time. */
  readonly lastTold: ReadonlyMap<string, Date>;
  readonly toldInHour: ReadonlyMap<string, Told>;
  readonly now: Date;
  readonly newId: () => string;
}

/** What to write, in one transaction. */
export interface Evaluation {
  /** New or changed. */
  readonly alerts: readonly AlertState[];
  /** Pending ones that are forgotten. */
  readonly forgotten: readonly string[];
  readonly notices: readonly Notice[];
}

/** A firing alert resolves when it has been clear for so long, in milliseconds. */
export const resolveWait = 60_000;

/** Names a group of a rule. */
export function groupName(ruleId: string, groupKey: string): string {
  return `${ruleId} ${groupKey}`;
}

/** Decides. */
export function evaluate(input: EvaluationInput): Evaluation {
  const rules = new Map(input.rules.map((rule) => [rule.id, rule]));
  const found = new Map(input.findings.map((finding) => [groupName(finding.ruleId, finding.groupKey), finding]));
  const changed = new Map<string, AlertState>();
  const forgotten: string[] = [];
  const live: AlertState[] = [];
  const resolved: AlertState[] = [];
  const known = new Set<string>();
  const keep = (before: AlertState | undefined, after: AlertState) => {
    if (before !== after) changed.set(after.id, after);
    (after.status === 'resolved' ? resolved : live).push(after);
  };
  for (const alert of input.alerts) {
    const name = groupName(alert.ruleId, alert.groupKey);
    known.add(name);
    const after = next(alert, rules.get(alert.ruleId), found.get(name), input.now);
    if (after) keep(alert, after);
    else forgotten.push(alert.id);
  }
  for (const [name, finding] of found) {
    const rule = rules.get(finding.ruleId);
    if (rule && !known.has(name)) keep(undefined, fire(opened(finding, input), rule, finding, input.now));
  }
  const notices = tell(input, rules, live, resolved);
  for (const { kind, alert } of notices) {
    if (kind === 'firing' || kind === 'repeat') changed.set(alert.id, alert);
  }
  return { alerts: [...changed.values()], forgotten, notices };
}

function opened(finding: Finding, { now, newId }: EvaluationInput): AlertState {
  const { ruleId, groupKey, severity, subjects, count } = finding;
  const none = { firedAt: null, notifiedAt: null, clearSince: null, resolvedAt: null };
  return { id: newId(), ruleId, groupKey, status: 'pending', severity, subjects, count, openedAt: now, ...none };
}

/** What becomes of an alert; undefined if it is forgotten, itself if nothing changes. */
function next(
  alert: AlertState,
  rule: Rule | undefined,
  finding: Finding | undefined,
  now: Date,
): AlertState | undefined {
  if (rule && finding) return fire(updated(alert, finding), rule, finding, now);
  if (alert.status === 'pending') return undefined;
  const clearSince = alert.clearSince ?? now;
  if (!rule || now.getTime() - clearSince.getTime() >= resolveWait) {
    return { ...alert, status: 'resolved', clearSince, resolvedAt: now };
  }
  return alert.clearSince ? alert : { ...alert, clearSince };
}

function updated(alert: AlertState, { severity, subjects, count }: Finding): AlertState {
  const same =
    alert.severity === severity &&
    alert.count === count &&
    alert.clearSince === null &&
    JSON.stringify(alert.subjects) === JSON.stringify(subjects);
  return same ? alert : { ...alert, severity, subjects, count, clearSince: null };
}

function fire(alert: AlertState, rule: Rule, finding: Finding, now: Date): AlertState {
  const waited = now.getTime() - alert.openedAt.getTime() >= rule.groupWait * 1000;
  if (alert.status !== 'pending' || !finding.held || !waited) return alert;
  return { ...alert, status: 'firing', firedAt: now };
}

/** The notices that are due, of each rule no more than it may. */
function tell(
  { lastTold, toldInHour, now }: EvaluationInput,
  rules: ReadonlyMap<string, Rule>,
  live: readonly AlertState[],
  resolved: readonly AlertState[],
): Notice[] {
  const notices: Notice[] = [];
  const loud = (alert: AlertState) => {
    const rule = rules.get(alert.ruleId);
    return rule && !(rule.mutedUntil && rule.mutedUntil > now) ? rule : undefined;
  };
  for (const alert of resolved) {
    if (alert.notifiedAt && loud(alert)) notices.push({ kind: 'resolved', alert });
  }
  // One that clears waits to be resolved, and is not told again meanwhile.
  const due = live.filter((alert) => {
    const rule = loud(alert);
    if (!rule || alert.status !== 'firing' || alert.clearSince) return false;
    const last = Math.max(time(alert.notifiedAt), time(lastTold.get(groupName(alert.ruleId, alert.groupKey))));
    return now.getTime() - last >= rule.repeatInterval * 1000;
  });
  for (const [ruleId, alerts] of Map.groupBy(due, (alert) => alert.ruleId)) {
    const told = toldInHour.get(ruleId) ?? { firing: 0, suppressed: 0 };
    const room = Math.max(0, (rules.get(ruleId)?.maxNoticesPerHour ?? 0) - told.firing);
    // Those never told come first.
    const ordered = alerts.toSorted((a, b) => time(a.notifiedAt) - time(b.notifiedAt));
    for (const alert of ordered.slice(0, room)) {
      notices.push({ kind: alert.notifiedAt ? 'repeat' : 'firing', alert: { ...alert, notifiedAt: now } });
    }
    const [over] = ordered.slice(room);
    if (over && told.suppressed === 0) {
      notices.push({ kind: 'suppressed', alert: over, heldBack: ordered.length - room });
    }
  }
  return notices;
}

function time(at: Date | null | undefined): number {
  return at ? at.getTime() : Number.NEGATIVE_INFINITY;
}
