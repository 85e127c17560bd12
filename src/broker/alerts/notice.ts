// What a notice says: the JSON for programs, and the few lines for people.
import type { AlertSubject } from '../../api/alerts.ts';
import type { Severity } from '../storage/schema.ts';
import type { Notice, NoticeKind } from './evaluation.ts';
import type { Rule } from './findings.ts';

/** A notice as webhooks get it; docs/alerts.md shows one. */
export interface NoticePayload {
  readonly notice_id: string;
  readonly kind: NoticeKind | 'test';
  readonly at: string;
  readonly summary: string;
  readonly rule: { readonly id: string; readonly name: string };
  readonly alert: {
    readonly id: string;
    readonly group: string;
    readonly severity: Severity;
    readonly subject_count: number;
    /** The first of them. */
    readonly subjects: readonly AlertSubject[];
    readonly opened_at: string;
    readonly resolved_at: string | null;
  };
}

/** Makes it. */
export function noticePayload(
  noticeId: string,
  notice: Notice,
  rule: Pick<Rule, 'id' | 'name'>,
  at: Date,
): NoticePayload {
  const { kind, alert } = notice;
  return {
    notice_id: noticeId,
    kind,
    at: at.toISOString(),
    summary: summaryOf(notice, rule.name),
    rule: { id: rule.id, name: rule.name },
    alert: {
      id: alert.id,
      group: alert.groupKey,
      severity: alert.severity,
      subject_count: alert.count,
      subjects: alert.subjects,
      opened_at: alert.openedAt.toISOString(),
      resolved_at: alert.resolvedAt?.toISOString() ?? null,
    },
  };
}

/** A notice that somebody asked for, to see whether it arrives. */
export function testPayload(
  noticeId: string,
  alertId: string,
  rule: Pick<Rule, 'id' | 'name'>,
  at: Date,
): NoticePayload {
  return {
    notice_id: noticeId,
    kind: 'test',
    at: at.toISOString(),
    summary: `[test] ${rule.name}: this channel works`,
    rule: { id: rule.id, name: rule.name },
    alert: {
      id: alertId,
      group: 'test',
      severity: 'info',
      subject_count: 0,
      subjects: [],
      opened_at: at.toISOString(),
      resolved_at: null,
    },
  };
}

const words: Readonly<Record<NoticeKind, string>> = {
  firing: 'firing',
  repeat: 'still firing',
  resolved: 'resolved',
  suppressed: 'suppressed',
};

function summaryOf({ kind, alert, heldBack = 0 }: Notice, name: string): string {
  if (kind === 'suppressed') {
    return `[suppressed] ${name}: the limit of notices an hour is reached; ${heldBack} more are held back for now`;
  }
  const [first] = alert.subjects;
  const more = alert.count > 1 ? ` and ${alert.count - 1} more` : '';
  return `[${words[kind]}, ${alert.severity}] ${name}: ${first?.title ?? alert.groupKey}${more}`;
}

/** The lines below the summary. */
export function noticeLines({ alert, kind }: NoticePayload): string[] {
  if (kind === 'test') return [];
  const unnamed = alert.subject_count - alert.subjects.length;
  const value = (subject: AlertSubject) => (subject.value === undefined ? '' : `, ${subject.value}`);
  return [
    ...alert.subjects.map((subject) => `${subject.title} (${subject.subject}${value(subject)}) since ${subject.since}`),
    ...(unnamed > 0 ? [`and ${unnamed} more`] : []),
  ];
}
