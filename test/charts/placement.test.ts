// On which nodes the agents run.
import { describe, expect, test } from 'vitest';
import type { Values } from '../fixtures/helm.ts';
import { cases } from './cases.ts';
import { podOf } from './pod.ts';

interface Term {
  readonly matchExpressions: readonly { readonly key: string; readonly operator: string; readonly values: string[] }[];
}

/** Whether Kubernetes would let the pod run on a node with these labels. */
function runsOn(values: Values, labels: Readonly<Record<string, string>>): boolean {
  const { nodeSelector = {}, affinity } = podOf(values);
  if (Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  const terms = required.nodeSelectorTerms as readonly Term[];
  return terms.some(({ matchExpressions }) =>
    matchExpressions.every(({ key, values: allowed }) => allowed.includes(labels[key] ?? '')),
  );
}

const nvidia = { 'nvidia.com/gpu.present': 'true' };
const mi300x = { 'feature.node.kubernetes.io/pci-1200_1002.present': 'true' };
const radeon = { 'feature.node.kubernetes.io/pci-0300_1002.present': 'true' };
const byAmdOperator = { 'feature.node.kubernetes.io/amd-gpu': 'true' };
const max1550 = { 'feature.node.kubernetes.io/pci-0380_8086.present': 'true' };
const byIntelOperator = { 'intel.feature.node.kubernetes.io/gpu': 'true' };
const every = { nvidia, mi300x, radeon, byAmdOperator, max1550, byIntelOperator, none: {} };

/** The names of the nodes that are selected. */
function selected(values: Values): string[] {
  return Object.entries(every).flatMap(([name, labels]) => (runsOn(values, labels) ? [name] : []));
}

test.each<[Values, string[]]>([
  [{}, ['nvidia']],
  [{ vendors: ['amd'] }, ['mi300x', 'radeon', 'byAmdOperator']],
  [{ vendors: ['intel'] }, ['max1550', 'byIntelOperator']],
  [{ vendors: ['nvidia', 'intel'] }, ['nvidia', 'max1550', 'byIntelOperator']],
  [cases.mixed.values, ['nvidia', 'mi300x', 'radeon', 'byAmdOperator', 'max1550', 'byIntelOperator']],
  [{ vendors: [] }, Object.keys(every)],
])('%j select the nodes %j', (values, nodes) => {
  expect(selected(values)).toEqual(nodes);
});

describe('nodeSelector', () => {
  const values = { nodeSelector: { pool: 'gpu' } };

  test('narrows the nodes of one vendor', () => {
    expect(podOf(values).nodeSelector).toEqual({ ...nvidia, pool: 'gpu' });
    expect(runsOn(values, nvidia)).toBe(false);
    expect(runsOn(values, { ...nvidia, pool: 'gpu' })).toBe(true);
  });

  test('narrows the nodes of several', () => {
    const both = { ...values, vendors: ['nvidia', 'amd'] };
    expect(podOf(both).nodeSelector).toEqual({ pool: 'gpu' });
    expect(runsOn(both, mi300x)).toBe(false);
    expect(runsOn(both, { ...mi300x, pool: 'gpu' })).toBe(true);
  });
});

test('further affinity stays beside that of the vendors', () => {
  const podAntiAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [] };
  const preferred = [{ weight: 1, preference: { matchExpressions: [] } }];
  const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: preferred };
  const { affinity } = podOf({ vendors: ['amd'], affinity: { podAntiAffinity, nodeAffinity } });
  expect(affinity).toMatchObject({ podAntiAffinity, nodeAffinity });
  expect(affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toBeDefined();
});

test('the taints of GPU nodes are tolerated, and others where they are named', () => {
  const keys = podOf({}).tolerations?.map(({ key }) => key);
  expect(keys).toEqual(['nvidia.com/gpu', 'amd.com/gpu', 'gpu.intel.com/i915', 'gpu.intel.com/xe']);
  expect(podOf(cases['chosen-nodes'].values).tolerations).toEqual([{ operator: 'Exists' }]);
  expect(podOf({ tolerations: [] }).tolerations).toBeUndefined();
});

test('the pod has the class of what a node cannot do without, and the runtime that is named', () => {
  expect(podOf({})).toMatchObject({ priorityClassName: 'system-node-critical' });
  expect(podOf({}).runtimeClassName).toBeUndefined();
  expect(podOf(cases['nvidia-runtime'].values)).toMatchObject({ runtimeClassName: 'nvidia' });
});
