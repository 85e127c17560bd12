// What each rule finds wrong now, in groups: a pure function of rules, open incidents and measurements.
import { type AlertSubject, alertLimits, type Condition, countMetrics } from '../../api/alerts.ts';
import type { Schema, Severity } from '../storage/schema.ts';

export type Grouping = Schema['alert_rules']['group_by'];

/** A rule as far as evaluation needs it. Times in seconds. */
export interface Rule {
  readonly id: string;
  /** Null: of all accounts. */
  readonly accountId: string | null;
  readonly name: string;
  readonly condition: Condition;
  readonly groupBy: Grouping;
  readonly groupWait: number;
  readonly repeatInterval: number;
  readonly maxNoticesPerHour: number;
  readonly mutedUntil: Date | null;
}

/** Where something is. */
interface Place {
  readonly accountId: string | null;
  readonly providerId: string | null;
  readonly clusterId: string | null;
  readonly nodeId: string | null;
  readonly gpuId: string | null;
}

/** An incident that is open or acknowledged. */
export interface OpenIncident extends Place {
  readonly kind: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly title: string;
  readonly openedAt: Date;
}

/** A measurement beyond the threshold of a rule; for a count, what a cluster adds to it, however little. */
export interface Reading extends Place {
  readonly ruleId: string;
  readonly subject: string;
  readonly title: string;
  readonly value: number;
}

/** What a rule finds in one group. */
export interface Finding {
  readonly ruleId: string;
  readonly groupKey: string;
  readonly severity: Severity;
  /** Whether a subject has been so for as long as the rule wants. */
  readonly held: boolean;
  readonly count: number;
  /** The first of them. */
  readonly subjects: readonly AlertSubject[];
}

/** Since when each subject of a threshold has been beyond it: rule and subject → time. */
export type Since = ReadonlyMap<string, Date>;

/** Groups of one rule; what is beyond is one group together, so that no rule makes alerts without end. */
export const maxGroups = 200;
/** The key of that group. */
const restKey = 'more';

export const severityRank: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

/**
 * Finds the groups of every rule.
 * @param before since when, as the last call returned it.
 */
export function findAll(
  rules: readonly Rule[],
  incidents: readonly OpenIncident[],
  readings: readonly Reading[],
  before: Since,
  now: Date,
): { findings: Finding[]; since: Since } {
  // Sorted once: a group of them is in this order too.
  const ordered = incidents.toSorted(older(({ openedAt }) => openedAt));
  const ofAccount = Map.groupBy(ordered, ({ accountId }) => accountId);
  const ofRule = Map.groupBy(readings, ({ ruleId }) => ruleId);
  const since = new Map<string, Date>();
  const findings = rules.flatMap((rule) => {
    if (rule.condition.type === 'incident') {
      const mine = rule.accountId === null ? ordered : (ofAccount.get(rule.accountId) ?? []);
      return bounded(ofIncidents(rule, mine));
    }
    return bounded(ofReadings(rule, ofRule.get(rule.id) ?? [], before, since, now));
  });
  return { findings, since };
}

function ofIncidents(rule: Rule, incidents: readonly OpenIncident[]): Finding[] {
  const { condition } = rule;
  if (condition.type !== 'incident') return [];
  const kinds = condition.kinds && new Set(condition.kinds);
  const least = severityRank[condition.min_severity ?? 'info'];
  const found = incidents.filter(
    (incident) =>
      (!kinds || kinds.has(incident.kind)) &&
      severityRank[incident.severity] >= least &&
      (condition.provider_id === undefined || incident.providerId === condition.provider_id) &&
      (condition.cluster_id === undefined || incident.clusterId === condition.cluster_id),
  );
  return [...Map.groupBy(found, (incident) => groupKey(rule.groupBy, incident))].map(([key, group]) => ({
    ruleId: rule.id,
    groupKey: key,
    severity: group.reduce<Severity>((worst, { severity }) => graver(worst, severity), 'info'),
    held: true,
    count: group.length,
    subjects: group.slice(0, alertLimits.subjectsNamed).map(({ subject, title, openedAt }) => ({
      subject,
      title,
      since: openedAt.toISOString(),
    })),
  }));
}

function ofReadings(rule: Rule, readings: readonly Reading[], before: Since, since: Map<string, Date>, now: Date) {
  const { condition } = rule;
  if (condition.type !== 'threshold') return [];
  const groups = [...Map.groupBy(readings, (reading) => groupKey(rule.groupBy, reading))];
  return groups.flatMap(([key, group]): Finding[] => {
    const beyond = isCount(condition.metric) ? summed(rule, key, group) : group;
    if (beyond.length === 0) return [];
    const dated = beyond.map((reading) => {
      const name = `${rule.id} ${reading.subject}`;
      const from = before.get(name) ?? now;
      since.set(name, from);
      return { ...reading, from };
    });
    const long = dated.filter(({ from }) => now.getTime() - from.getTime() >= (condition.for_seconds ?? 0) * 1000);
    // An alert that fires already goes on as long as anything is beyond.
    const told = long.length > 0 ? long : dated;
    return [
      {
        ruleId: rule.id,
        groupKey: key,
        severity: condition.severity ?? 'warning',
        held: long.length > 0,
        count: told.length,
        subjects: first(told, ({ from }) => from).map(({ subject, title, from, value }) => ({
          subject,
          title,
          since: from.toISOString(),
          value,
        })),
      },
    ];
  });
}

/** The sum of a group is one subject, if it is beyond the threshold. */
function summed(
  rule: Rule,
  key: string,
  group: readonly Reading[],
): { subject: string; title: string; value: number }[] {
  const { condition } = rule;
  if (condition.type !== 'threshold') return [];
  const value = group.reduce((sum, reading) => sum + reading.value, 0);
  const beyond = condition.comparison === 'above' ? value > condition.value : value < condition.value;
  const what = condition.metric.replaceAll('_', ' ');
  return beyond ? [{ subject: key, title: `${value} ${what}`, value }] : [];
}

/** Whether a metric counts things, instead of measuring one. */
export function isCount(metric: string): metric is (typeof countMetrics)[number] {
  return countMetrics.some((count) => count === metric);
}

/** What has no place of the wanted kind is a group of its own. */
function groupKey(groupBy: Grouping, thing: Place & { readonly subject: string }): string {
  if (groupBy === 'rule') return 'rule';
  const id = { provider: thing.providerId, cluster: thing.clusterId, node: thing.nodeId, gpu: thing.gpuId }[groupBy];
  return id === null ? thing.subject : `${groupBy}:${id}`;
}

/** The groups that have been so for longest, and the others as one. */
function bounded(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= maxGroups) return findings;
  const ordered = findings.toSorted((a, b) => order(ageKey(a), ageKey(b)));
  const rest = ordered.slice(maxGroups - 1);
  const [first] = rest;
  if (!first) return findings;
  const together: Finding = {
    ruleId: first.ruleId,
    groupKey: restKey,
    severity: rest.reduce<Severity>((worst, { severity }) => graver(worst, severity), 'info'),
    held: rest.some(({ held }) => held),
    count: rest.reduce((sum, { count }) => sum + count, 0),
    subjects: rest.slice(0, alertLimits.subjectsNamed).flatMap(({ subjects }) => subjects.slice(0, 1)),
  };
  return [...ordered.slice(0, maxGroups - 1), together];
}

function ageKey({ subjects, groupKey }: Finding): string {
  return `${subjects[0]?.since ?? ''} ${groupKey}`;
}

/** The oldest few, in an order that is always the same. */
function first<Thing extends { subject: string }>(things: readonly Thing[], timeOf: (thing: Thing) => Date): Thing[] {
  return things.toSorted(older(timeOf)).slice(0, alertLimits.subjectsNamed);
}

function older<Thing extends { subject: string }>(timeOf: (thing: Thing) => Date) {
  return (a: Thing, b: Thing) => timeOf(a).getTime() - timeOf(b).getTime() || order(a.subject, b.subject);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function graver(a: Severity, b: Severity): Severity {
  return severityRank[a] >= severityRank[b] ? a : b;
}
