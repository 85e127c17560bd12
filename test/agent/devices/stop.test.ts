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

test('a listener may stop the supervisor that calls it', async () => {
  const { supervisor } = watch({
    listener: {
      deviceChanged: () => void supervisor.stop(),
      deviceRemoved() {},
      eventReported() {},
      sourceChanged: () => void supervisor.stop(),
    },
  });
  await until(() => supervisor.views().devices.length > 0);
  await sleep(1_000);
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
