// What the kubelet and `helm test` ask of an agent, asked of a real one.
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { objects } from '../fixtures/helm.ts';
import { allCases } from './cases.ts';
import { containerOf, podOf } from './pod.ts';

let agent: DaemonProcess;
beforeAll(async () => {
  agent = startDaemon({ flags: ['--sources', 'simulated'] });
  await agent.logged('source state changed');
});
afterAll(() => agent.remove());

test('the probes ask for paths that the agent answers', async () => {
  const { livenessProbe, readinessProbe, ports } = containerOf(podOf({}), 'agent');
  expect(ports?.map(({ name, containerPort }) => [name, containerPort])).toEqual([
    ['health', 8081],
    ['metrics', 9090],
  ]);
  for (const probe of [livenessProbe, readinessProbe]) {
    expect(probe?.httpGet?.port).toBe('health');
    await expect.poll(() => agent.health(probe?.httpGet?.path ?? '')).toMatchObject({ status: 200 });
  }
});

/** Runs the command of the test pod against some agent. */
function helmTest(port: number): string {
  const pod = objects({}).find(({ kind }) => kind === 'Pod') as unknown as {
    spec: { containers: [{ command: string[]; args: [string, string] }] };
  };
  const [{ command, args }] = pod.spec.containers;
  expect(args[1]).toBe('http://gpubroker-node-metrics:9090/metrics');
  const [program = '', ...flags] = command;
  const call = [...flags, args[0], `http://127.0.0.1:${port}/metrics`];
  return execFileSync(program, call, { encoding: 'utf8', stdio: 'pipe', timeout: 20_000 });
}

test('`helm test` passes where an agent serves GPUs', async () => {
  const { port } = await agent.logged('serving metrics');
  expect(helmTest(Number(port))).toMatch(/: 8 GPUs$/m);
});

test('`helm test` fails where something else answers, or nothing', async () => {
  const { port } = await agent.logged('serving health');
  expect(() => helmTest(Number(port))).toThrow('no count of GPUs');
  expect(() => helmTest(1)).toThrow();
});

test.each(allCases)('%s: a stopping agent gets all the time that it takes', (_name, { values }) => {
  const { shutdownDelaySeconds = 5, shutdownTimeoutSeconds = 30 } =
    (values as { server?: { shutdownDelaySeconds?: number; shutdownTimeoutSeconds?: number } }).server ?? {};
  // It ends a second after both at the latest.
  expect(podOf(values).terminationGracePeriodSeconds).toBeGreaterThan(
    shutdownDelaySeconds + shutdownTimeoutSeconds + 1,
  );
});
