// The alert rules: promtool accepts them, each is tested and has its section in the runbook, and their metrics exist.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { testWith } from '../capabilities.ts';
import { brokerSeries, metricsIn, nodeSeries } from './metric-names.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

interface RuleTest {
  readonly promql_expr_test?: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'deploy', 'alerts');
const textOf = (name: string) => readFileSync(join(folder, name), 'utf8');
const alertsOf = (name: string): Rule[] => {
  const { groups }: { groups: { rules: Rule[] }[] } = parse(textOf(`${name}.yaml`));
  return groups.flatMap((group) => group.rules);
};

function promtool(...args: string[]): string {
  return execFileSync('promtool', args, { cwd: folder, encoding: 'utf8', timeout: 20_000 });
}

describe.each([
  { name: 'broker', series: brokerSeries },
  { name: 'node', series: nodeSeries },
])('of the $name', ({ name, series }) => {
  const rules = alertsOf(name);

  testWith('promtool')('promtool accepts the rules', () => {
    expect(promtool('check', 'rules', `${name}.yaml`)).toContain(`${rules.length} rules found`);
  });

  testWith('promtool')('the rules fire and are silent when they should', () => {
    expect(promtool('test', 'rules', `${name}.test.yaml`)).toContain('SUCCESS');
  });

  test('every rule is seen firing and silent', () => {
    const { tests }: { tests: RuleTest[] } = parse(textOf(`${name}.test.yaml`));
    const checks = tests.flatMap((one) => one.promql_expr_test ?? []);
    const untested = rules.filter(({ alert }) => {
      const own = checks.filter(({ expr }) => expr.includes(`alertname="${alert}"`));
      return !own.some((check) => check.exp_samples.length > 0) || !own.some((check) => check.exp_samples.length === 0);
    });
    expect(untested.map(({ alert }) => alert)).toEqual([]);
  });

  test('every metric of the rules exists', async () => {
    const known = await series();
    const named = rules.flatMap(({ expr }) => metricsIn(expr));
    expect(named.length).toBeGreaterThan(15);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('every rule says how grave it is, what is wrong, and where to read on', () => {
    for (const { alert, labels, annotations } of rules) {
      expect(['critical', 'warning'], alert).toContain(labels.severity);
      expect(annotations, alert).toEqual({
        summary: expect.stringMatching(/\S/),
        description: expect.stringMatching(/\S/),
        runbook_url: `docs/runbook.md#${alert.toLowerCase()}`,
      });
    }
  });
});

test('every alert has its section in the runbook, and every such section its alert', () => {
  const runbook = readFileSync(join(root, 'docs', 'runbook.md'), 'utf8');
  const sections = [...runbook.matchAll(/^### ((?:Gpubroker|DeviceAPIServer)\w+)$/gm)].map(([, name = '']) => name);
  const rules = ['broker', 'node'].flatMap(alertsOf);
  expect(sections.toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
});
