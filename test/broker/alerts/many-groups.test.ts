// However many things are wrong, a rule makes a bounded number of groups.
import { expect, test } from 'vitest';
import { findAll, maxGroups, type OpenIncident, type Rule } from '../../../src/broker/alerts/findings.ts';

const rule: Rule = {
  id: 'rule',
  accountId: null,
  name: 'every GPU by itself',
  condition: { type: 'incident' },
  groupBy: 'gpu',
  groupWait: 0,
  repeatInterval: 3600,
  maxNoticesPerHour: 20,
  mutedUntil: null,
};
const start = Date.parse('2026-01-05T09:00:00Z');

function incident(number: number): OpenIncident {
  const gpuId = `g${String(number).padStart(6, '0')}`;
  return {
    accountId: null,
    providerId: null,
    clusterId: null,
    nodeId: null,
    gpuId,
    kind: 'gpu-unhealthy',
    severity: number === 9_999 ? 'critical' : 'warning',
    subject: `gpu:${gpuId}`,
    title: gpuId,
    openedAt: new Date(start + number),
  };
}

test('the oldest have a group each, and all others one together', () => {
  const incidents = Array.from({ length: 10_000 }, (_, number) => incident(9_999 - number));
  const { findings } = findAll([rule], incidents, [], new Map(), new Date(start + 60_000));
  expect(findings).toHaveLength(maxGroups);
  expect(findings[0]?.groupKey).toBe('gpu:g000000');
  const rest = findings.at(-1);
  expect(rest).toMatchObject({ groupKey: 'more', severity: 'critical', held: true, count: 10_000 - maxGroups + 1 });
  expect(rest?.subjects[0]?.subject).toBe(`gpu:g${String(maxGroups - 1).padStart(6, '0')}`);
});

test('up to the limit each has its own', () => {
  const incidents = Array.from({ length: maxGroups }, (_, number) => incident(number));
  const { findings } = findAll([rule], incidents, [], new Map(), new Date(start + 60_000));
  expect(new Set(findings.map(({ groupKey }) => groupKey)).size).toBe(maxGroups);
  expect(findings.map(({ groupKey }) => groupKey)).not.toContain('more');
});
