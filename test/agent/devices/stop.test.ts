// The end of a supervisor, and of an agent that has no time to end it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { exists, probesOf, sleep, until, watch, watchRunning } from './watched-source.ts';

test('stop ends the probe, and nothing is told after it', async () => {
  const { supervisor, told, sources } = await watchRunning();
  await supervisor.stop();
  expect(probesOf()).toEqual([]);
  const before = [told.length, sources.length];
  await sleep(500);
  expect([told.length, sources.length]).toEqual(before);
});

test('stop does not wait for a probe that hangs', async () => {
  const { supervisor, setFaults } = await watchRunning({ deadline: 60_000 });
  setFaults({ '1': { hang: true } });
  await sleep(500);
  const started = performance.now();
  await supervisor.stop();
  expect(performance.now() - started).toBeLessThan(250);
  expect(probesOf()).toEqual([]);
});

test('stop right after start leaves nothing behind', async () => {
  const { supervisor } = watch();
  await supervisor.stop();
  await sleep(300);
  expect(probesOf()).toEqual([]);
});

test('an agent that is killed leaves no probe behind', async () => {
  const agent = fork(new URL('./simulated/agent-to-kill.ts', import.meta.url), { execArgv: [] });
  await once(agent, 'message');
  const probes = probesOf(agent.pid);
  expect(probes).toHaveLength(1);
  agent.kill('SIGKILL');
  await until(() => !probes.some(exists), 3_000);
});
