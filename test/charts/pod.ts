// The pod that the chart's DaemonSet makes.
import type { IDaemonSet } from 'kubernetes-models/apps/v1';
import type { IContainer, IPodSpec } from 'kubernetes-models/v1';
import { objects, type Values } from '../fixtures/helm.ts';

export function daemonSetOf(values: Values): IDaemonSet {
  return objects(values).find(({ kind }) => kind === 'DaemonSet') as IDaemonSet;
}

export function podOf(values: Values): IPodSpec {
  const spec = daemonSetOf(values).spec?.template.spec;
  if (!spec) throw new Error('the DaemonSet has no pod');
  return spec;
}

/** A container, also one that runs before the others. */
export function containerOf(pod: IPodSpec, name: string): IContainer {
  const found = [...(pod.initContainers ?? []), ...pod.containers].find((container) => container.name === name);
  if (!found) throw new Error(`the pod has no container ${name}`);
  return found;
}
