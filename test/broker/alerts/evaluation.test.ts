// Alerts fire, repeat, resolve and keep quiet as the drawing says, whatever comes: by a clock of our own.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AlertState,
  evaluate,
  groupName,
  type Notice,
  resolveWait,
  type Told,
} from '../../../src/broker/alerts/evaluation.ts';
import {
  findAll,
  type OpenIncident,
  type Reading,
  type Rule,
  type Since,
} from '../../../src/broker/alerts/findings.ts';
import { runs } from '../../properties.ts';

const second = 1000;
const start = Date.parse('2026-01-05T09:00:00Z');

const ruleOf = (more: Partial<Rule> = {}): Rule => ({
  id: 'rule',
  accountId: null,
  name: 'offline nodes',
  condition: { type: 'incident', kinds: ['node-offline'] },
  groupBy: 'rule',
  groupWait: 10,
  repeatInterval: 600,
  maxNoticesPerHour: 20,
  mutedUntil: null,
  ...more,
});

const incident = (node: string, more: Partial<OpenIncident> = {}): OpenIncident => ({
  accountId: 'account',
  providerId: 'provider',
  clusterId: 'cluster',
  nodeId: node,
  gpuId: null,
  kind: 'node-offline',
  severity: 'critical',
  subject: `node:${node}`,
  title: `${node} is offline`,
  openedAt: new Date(start),
  ...more,
});

/** Evaluates again and again, and keeps what a database would. */
function world(first: readonly Rule[]) {
  let rules = first;
  let now = start;
  let since: Since = new Map();
  let ids = 0;
  const alerts = new Map<string, AlertState>();
  const notices: (Notice & { at: number })[] = [];
  const state = { incidents: [] as OpenIncident[], readings: [] as Reading[] };
  const lastTold = () => {
    const found = new Map<string, Date>();
    for (const { ruleId, groupKey, notifiedAt } of alerts.values()) {
      const name = groupName(ruleId, groupKey);
      if (notifiedAt && notifiedAt > (found.get(name) ?? new Date(0))) found.set(name, notifiedAt);
    }
    return found;
  };
  const toldInHour = () => {
    const recent = notices.filter(({ at }) => at > now - 3600 * second);
    return new Map<string, Told>(
      rules.map(({ id }) => {
        const mine = recent.filter(({ alert }) => alert.ruleId === id);
        const count = (...kinds: string[]) => mine.filter(({ kind }) => kinds.includes(kind)).length;
        return [id, { firing: count('firing', 'repeat'), suppressed: count('suppressed') }];
      }),
    );
  };
  const tick = () => {
    const at = new Date(now);
    const result = findAll(rules, state.incidents, state.readings, since, at);
    since = result.since;
    const open = [...alerts.values()].filter(({ status }) => status !== 'resolved');
    const newId = () => `alert ${++ids}`;
    const { findings } = result;
    const done = evaluate({
      rules,
      findings,
      alerts: open,
      lastTold: lastTold(),
      toldInHour: toldInHour(),
      now: at,
      newId,
    });
    for (const alert of done.alerts) {
      expect(alerts.get(alert.id)?.status).not.toBe('resolved');
      alerts.set(alert.id, alert);
    }
    for (const id of done.forgotten) alerts.delete(id);
    notices.push(...done.notices.map((notice) => ({ ...notice, at: now })));
  };
  return {
    state,
    alerts,
    notices,
    kinds: () => notices.map(({ kind }) => kind),
    setRules: (next: readonly Rule[]) => {
      rules = next;
    },
    /** Lets time pass in steps, with a tick after each. */
    wait: (seconds: number, step = 5) => {
      for (let passed = 0; passed < seconds; passed += step) {
        now += Math.min(step, seconds - passed) * second;
        tick();
      }
    },
    tick,
  };
}

test('waits for its group, fires once, repeats, and resolves once', () => {
  const { state, wait, tick, kinds, notices } = world([ruleOf()]);
  state.incidents = [incident('a')];
  tick();
  expect(kinds()).toEqual([]);
  state.incidents.push(incident('b'));
  wait(10);
  expect(notices).toMatchObject([{ kind: 'firing', alert: { status: 'firing', count: 2, severity: 'critical' } }]);
  wait(595);
  expect(kinds()).toEqual(['firing']);
  wait(5);
  expect(kinds()).toEqual(['firing', 'repeat']);
  state.incidents = [];
  wait(resolveWait / second);
  expect(kinds()).toEqual(['firing', 'repeat']);
  wait(5);
  wait(3600);
  expect(kinds()).toEqual(['firing', 'repeat', 'resolved']);
});

test('a trouble that is over before the group has waited is never told', () => {
  const { state, wait, tick, kinds, alerts } = world([ruleOf()]);
  state.incidents = [incident('a')];
  tick();
  state.incidents = [];
  wait(100);
  expect([kinds(), alerts.size]).toEqual([[], 0]);
});

test('five thousand at once make one notice, which names twenty', () => {
  const { state, wait, notices } = world([ruleOf()]);
  state.incidents = Array.from({ length: 5000 }, (_, i) => incident(`n${i}`));
  wait(60);
  expect(notices.map(({ kind, alert }) => [kind, alert.count, alert.subjects.length])).toEqual([['firing', 5000, 20]]);
});

test('a rule that groups by node tells so many an hour, then once that it keeps silent', () => {
  const { state, wait, kinds } = world([ruleOf({ groupBy: 'node', repeatInterval: 86_400 })]);
  state.incidents = Array.from({ length: 100 }, (_, i) => incident(`n${i}`));
  wait(600);
  expect(kinds()).toEqual([...Array(20).fill('firing'), 'suppressed']);
  wait(3600);
  expect(kinds().filter((kind) => kind === 'firing')).toHaveLength(40);
});

test('a muted rule is silent, and tells when that ends', () => {
  const { state, wait, kinds } = world([ruleOf({ mutedUntil: new Date(start + 100 * second) })]);
  state.incidents = [incident('a')];
  wait(95);
  expect(kinds()).toEqual([]);
  wait(10);
  expect(kinds()).toEqual(['firing']);
});

test('alerts of a rule that is switched off resolve in silence', () => {
  const { state, wait, kinds, alerts, setRules } = world([ruleOf()]);
  state.incidents = [incident('a')];
  wait(20);
  setRules([]);
  wait(5);
  expect([kinds(), [...alerts.values()].map(({ status }) => status)]).toEqual([['firing'], ['resolved']]);
});

describe('a rule sees', () => {
  const found = (rule: Partial<Rule>, incidents: OpenIncident[]) =>
    findAll([ruleOf(rule)], incidents, [], new Map(), new Date(start)).findings.map(({ groupKey, count }) => [
      groupKey,
      count,
    ]);

  test('only its account', () => {
    const others = [incident('a'), incident('b', { accountId: 'other' }), incident('c', { accountId: null })];
    expect(found({ accountId: 'account' }, others)).toEqual([['rule', 1]]);
    expect(found({ accountId: null }, others)).toEqual([['rule', 3]]);
  });

  test('only its kinds, severities, providers and clusters', () => {
    const some = [
      incident('a', { severity: 'info' }),
      incident('b', { kind: 'clock-skew' }),
      incident('c', { clusterId: 'far' }),
    ];
    expect(found({ condition: { type: 'incident' } }, some)).toEqual([['rule', 3]]);
    expect(found({ condition: { type: 'incident', min_severity: 'warning' } }, some)).toEqual([['rule', 2]]);
    expect(found({ condition: { type: 'incident', kinds: ['clock-skew'] } }, some)).toEqual([['rule', 1]]);
    expect(found({ condition: { type: 'incident', cluster_id: 'far' } }, some)).toEqual([['rule', 1]]);
    expect(found({ condition: { type: 'incident', provider_id: 'nobody' } }, some)).toEqual([]);
  });

  test('groups', () => {
    const some = [incident('a'), incident('b', { clusterId: 'far' }), incident('c', { clusterId: null })];
    expect(found({ groupBy: 'cluster' }, some)).toEqual([
      ['cluster:cluster', 1],
      ['cluster:far', 1],
      ['node:c', 1],
    ]);
  });
});

describe('a threshold', () => {
  const hot = (gpu: string, value: number): Reading => ({
    ...incident('n'),
    ruleId: 'rule',
    gpuId: gpu,
    subject: `gpu:${gpu}`,
    title: gpu,
    value,
  });

  test('must be passed by one subject for as long as the rule says', () => {
    const condition = {
      type: 'threshold',
      metric: 'gpu_temperature_celsius',
      comparison: 'above',
      value: 85,
      for_seconds: 60,
    } as const;
    const { state, wait, kinds, notices } = world([ruleOf({ condition, groupWait: 0 })]);
    for (const gpu of ['a', 'b', 'c']) {
      state.readings = [hot(gpu, 90)];
      wait(50);
    }
    expect(kinds()).toEqual([]);
    wait(15);
    expect(notices).toMatchObject([{ kind: 'firing', alert: { subjects: [{ subject: 'gpu:c', value: 90 }] } }]);
  });

  test('on a count holds for the sum over the group', () => {
    const condition = { type: 'threshold', metric: 'nodes_offline', comparison: 'above', value: 5 } as const;
    const { state, wait, notices } = world([ruleOf({ condition })]);
    state.readings = [hot('x', 3), hot('y', 2)];
    wait(60);
    expect(notices).toEqual([]);
    state.readings = [hot('x', 3), hot('y', 3)];
    wait(60);
    expect(notices).toMatchObject([{ kind: 'firing', alert: { count: 1, subjects: [{ value: 6 }] } }]);
  });
});

test('whatever comes: a notice per group and interval at most, each alert resolved once, never more than allowed', () => {
  const step = fc.record({
    wait: fc.integer({ min: 1, max: 200 }),
    broken: fc.subarray(['a', 'b', 'c', 'd']),
    muted: fc.boolean(),
  });
  const rule = fc.record({
    groupBy: fc.constantFrom('rule' as const, 'node' as const),
    groupWait: fc.integer({ min: 0, max: 30 }),
    repeatInterval: fc.integer({ min: 60, max: 900 }),
    maxNoticesPerHour: fc.integer({ min: 1, max: 6 }),
  });
  fc.assert(
    fc.property(rule, fc.array(step, { maxLength: 40 }), (settings, steps) => {
      const { state, wait, alerts, notices, setRules } = world([ruleOf(settings)]);
      for (const { wait: seconds, broken, muted } of steps) {
        setRules([ruleOf({ ...settings, mutedUntil: muted ? new Date(start * 2) : null })]);
        state.incidents = broken.map((node) => incident(node));
        wait(seconds, 7);
      }
      setRules([ruleOf(settings)]);
      state.incidents = [];
      wait(2 * (resolveWait / second), 7);
      const firing = notices.filter(({ kind }) => kind === 'firing' || kind === 'repeat');
      for (const group of Map.groupBy(firing, ({ alert }) => alert.groupKey).values()) {
        for (const [i, { at }] of group.entries()) {
          const before = group[i - 1];
          if (before) expect(at - before.at).toBeGreaterThanOrEqual(settings.repeatInterval * second);
        }
      }
      for (const { at } of firing) {
        const inHour = firing.filter((notice) => notice.at <= at && notice.at > at - 3600 * second);
        expect(inHour.length).toBeLessThanOrEqual(settings.maxNoticesPerHour);
      }
      const resolved = notices.filter(({ kind }) => kind === 'resolved').map(({ alert }) => alert.id);
      expect(new Set(resolved).size).toBe(resolved.length);
      expect(resolved.every((id) => firing.some(({ alert }) => alert.id === id))).toBe(true);
      expect([...alerts.values()].every(({ status, firedAt }) => status === 'resolved' && firedAt)).toBe(true);
    }),
    runs(100, 3000),
  );
});
