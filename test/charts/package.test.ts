// The chart passes helm's own checks, and can be packaged whole.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { helm, nodeChart } from '../fixtures/helm.ts';
import { allCases } from './cases.ts';

const root = join(import.meta.dirname, '..', '..');

test.each(allCases)('%s: helm lint has nothing to say', (_name, { values }) => {
  const { status, output, complaint } = helm(['lint', '--strict', nodeChart, '--values', '-'], JSON.stringify(values));
  expect({ status, complaint: complaint.replaceAll(/^level=INFO.*$/gm, '').trim() }).toEqual({
    status: 0,
    complaint: '',
  });
  expect(output).not.toMatch(/WARNING|ERROR/);
});

test('the package has the files that the chart links to, and nothing that is left lying about', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'gpubroker-package-'));
  try {
    const { status, complaint } = helm(['package', nodeChart, '--destination', scratch]);
    expect(status, complaint).toBe(0);
    execFileSync('tar', [
      '--extract',
      '--gzip',
      '--file',
      join(scratch, 'gpubroker-node-0.1.0.tgz'),
      '--directory',
      scratch,
    ]);
    const packaged = (path: string) => readFileSync(join(scratch, 'gpubroker-node', path), 'utf8');
    const deployed = (path: string) => readFileSync(join(root, 'deploy', path), 'utf8');
    expect(packaged('files/alerts.yaml')).toBe(deployed('alerts/node.yaml'));
    expect(packaged('files/dashboard.json')).toBe(deployed('dashboards/device-api.json'));
    expect(helm(['template', 'gpubroker-node', join(scratch, 'gpubroker-node-0.1.0.tgz')]).status).toBe(0);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test('the chart runs the program of this version', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(parse(readFileSync(join(nodeChart, 'Chart.yaml'), 'utf8'))).toMatchObject({ appVersion: version });
});
