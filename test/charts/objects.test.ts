// Every object is one that Kubernetes and Prometheus's operator take: of the right types, and without unknown fields.
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as rbac from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import * as core from 'kubernetes-models/v1';
import { expect, test } from 'vitest';
import { type KubernetesObject, objects } from '../fixtures/helm.ts';
import { allCases } from './cases.ts';

interface Model {
  validate(): void;
}

const models: Record<string, Record<string, unknown>> = {
  v1: core,
  'apps/v1': apps,
  'policy/v1': policy,
  'networking.k8s.io/v1': networking,
  'rbac.authorization.k8s.io/v1': rbac,
  'monitoring.coreos.com/v1': monitoring,
};

/** What is wrong with an object by its schema. The schemas allow unknown fields: those are what is never looked at. */
function faults(object: KubernetesObject): string[] {
  const Kind = models[object.apiVersion]?.[object.kind] as { readonly prototype: Model } | undefined;
  if (!Kind) return [`no schema of ${object.apiVersion} ${object.kind}`];
  const unread: string[] = [];
  const checks: (() => void)[] = [];
  try {
    // Not of an instance, which would have a copy of the object.
    Kind.prototype.validate.call(observed(object, object.kind, unread, checks));
  } catch (error) {
    return [String(error)];
  }
  for (const check of checks) check();
  return unread;
}

/** A view of a value that notes the fields which are never read, or only by name as those of a map are. */
function observed<T>(value: T, path: string, unread: string[], checks: (() => void)[]): T {
  if (typeof value !== 'object' || value === null) return value;
  const read = new Set<PropertyKey>();
  const views = new Map<PropertyKey, unknown>();
  checks.push(() => {
    for (const key of Object.keys(value)) if (!read.has(key)) unread.push(`${path}.${key} is unknown`);
  });
  return new Proxy(value, {
    get(target, key, receiver) {
      read.add(key);
      if (!views.has(key)) {
        const found: unknown = Reflect.get(target, key, receiver);
        views.set(key, observed(found, `${path}.${String(key)}`, unread, checks));
      }
      return views.get(key);
    },
  });
}

test.each(allCases)('%s', (_name, { values, monitoring: operator }) => {
  const made = objects(values, { monitoring: operator ?? false });
  expect(made.length).toBeGreaterThan(4);
  expect(made.flatMap((object) => faults(object).map((fault) => `${object.kind}: ${fault}`))).toEqual([]);
});

test('a wrong type and an unknown field would be found', () => {
  const pod = (container: object) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pod' },
    spec: { containers: [{ name: 'one', ...container }] },
  });
  expect(faults(pod({ ports: [{ containerPort: 'health' }] }))).toEqual([expect.stringContaining('must be integer')]);
  expect(faults(pod({ imagePullPolice: 'Always' }))).toEqual([expect.stringContaining('imagePullPolice is unknown')]);
  expect(faults(pod({}))).toEqual([]);
});
