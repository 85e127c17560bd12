// The Grafana dashboards: their form, and that what they ask Prometheus for can be asked and exists.
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { testWith } from '../capabilities.ts';
import { brokerSeries, metricsIn, nodeSeries } from './metric-names.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

interface Dashboard {
  readonly uid?: string;
  readonly id?: number;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
}

const folder = join(import.meta.dirname, '..', '..', 'deploy', 'dashboards');
const names = globSync('*.json', { cwd: folder }).toSorted();

function read(name: string): Dashboard {
  return JSON.parse(readFileSync(join(folder, name), 'utf8'));
}

function expressionsOf({ panels }: Dashboard): string[] {
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

test('the dashboards are there', () => {
  expect(names).toEqual(expect.arrayContaining(['device-api.json', 'provider.json', 'system.json']));
});

describe.each(names)('%s', (name) => {
  const dashboard = read(name);
  const shown = dashboard.panels.filter(({ type }) => type !== 'row');

  test('can be imported anywhere: of a current schema, with a variable for the data source, without ids of one Grafana', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39);
    expect(dashboard.templating.list).toContainEqual(
      expect.objectContaining({ name: 'datasource', type: 'datasource' }),
    );
    expect([dashboard.uid, dashboard.id]).toEqual([undefined, undefined]);
    const sources = shown.flatMap(({ datasource, targets = [] }) => [
      datasource?.uid,
      ...targets.map((target) => target.datasource.uid),
    ]);
    expect([...new Set(sources)]).toEqual([`\${datasource}`]);
  });

  test('has panels that differ in id, each with a title and a question', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(shown.filter(({ title, targets = [] }) => title === '' || targets.length === 0)).toEqual([]);
  });

  test('asks for metrics that exist', async () => {
    const known = name === 'device-api.json' ? await nodeSeries() : await brokerSeries();
    const named = expressionsOf(dashboard).flatMap(metricsIn);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((metric) => !known.has(metric))).toEqual([]);
  });

  testWith('promtool')('asks in PromQL that promtool accepts', () => {
    const rules = expressionsOf(dashboard).map((expr, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'a-job').replaceAll('$node', 'a-node'),
    }));
    const scratch = mkdtempSync(join(tmpdir(), 'gpubroker-dashboards-'));
    try {
      const file = join(scratch, 'rules.yaml');
      writeFileSync(file, stringify({ groups: [{ name: 'panels', rules }] }));
      const answer = execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8', timeout: 20_000 });
      expect(answer).toContain(`${rules.length} rules found`);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});
