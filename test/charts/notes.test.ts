// What helm tells after an installation: commands that work, and what the values leave to be desired.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { notes } from '../fixtures/helm.ts';
import { cases } from './cases.ts';

test('the command in the pod is the image’s, on the socket of the values', () => {
  const [, program, socket] = /exec daemonset\/gpubroker-node -- (\S+) gpus list --socket (\S+)/.exec(
    notes(cases.served.values),
  ) as RegExpExecArray;
  const containerfile = readFileSync(join(import.meta.dirname, '..', '..', 'deploy', 'Containerfile'), 'utf8');
  expect(containerfile).toContain(`ENTRYPOINT ["${program}"]`);
  expect(socket).toBe('/run/gpus/api/gpu.sock');
});

test('they say on which nodes the agents run', () => {
  expect(notes(cases.mixed.values)).toContain('GPUs of nvidia, amd, intel');
  expect(notes(cases['chosen-nodes'].values)).toContain('the labels of nodeSelector');
});

test('they say where NVIDIA’s library comes from, unless that is settled', () => {
  const told = "NVIDIA's library comes from the nodes' default container runtime";
  expect(notes({})).toContain(told);
  for (const name of ['nvidia-runtime', 'privileged', 'amd'] as const)
    expect(notes(cases[name].values)).not.toContain(told);
});

test('they warn of a broker that does not learn what pods hold', () => {
  expect(notes({ broker: { url: 'https://broker.example:10356' } })).toContain('podResources.enabled: true');
  expect(notes(cases.broker.values)).not.toContain('podResources.enabled: true');
});

test('they say which objects of Prometheus’s operator were not made', () => {
  expect(notes({})).toContain('No ServiceMonitor was made');
  const values = { metrics: { serviceMonitor: { enabled: true }, prometheusRule: { enabled: false } } };
  expect(notes(values)).not.toContain('was made');
});
