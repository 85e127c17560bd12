// Processes that SIGKILL does not end. No test can put a process into an uninterruptible driver call, so here the kill
// is held back until the test lets it happen; everything else is real.
import type { ChildProcess } from 'node:child_process';
import { expect, test } from 'vitest';
import { probesOf, sleep, until, watchRunning } from './watched-source.ts';

test('no more than two are made; no probe starts before one of them is gone', async () => {
  const held: ChildProcess[] = [];
  let holding = true;
  const kill = (child: ChildProcess) => void (holding ? held.push(child) : child.kill('SIGKILL'));
  const { states, device, source, setFaults, supervisor } = await watchRunning({ deadline: 500, kill });
  try {
    const hang = { hang: true };
    setFaults({ '0': hang });
    await until(() => states()[0] === 'hung');
    setFaults({ '0': hang, '1': hang, '2': hang });
    await until(() => states()[1] === 'hung');
    await until(() => states()[2] === 'probe-down' && states()[3] === 'probe-down');
    const why =
      'the probe process is down, and none is started: 2 killed ones still exist, held by the kernel in a driver call';
    await until(() => device(3).message === why);
    await until(() => source().message === why);
    expect(source().state).toBe('failed');
    await sleep(2_500);
    expect(held).toHaveLength(2);
    expect(probesOf()).toHaveLength(2);

    // With one of them gone there is room for the main probe, which leaves both devices alone.
    setFaults({});
    held[1]?.kill('SIGKILL');
    await until(() => states()[2] === 'ok' && states()[3] === 'ok');
    expect(states()).toEqual(['hung', 'hung', 'ok', 'ok']);
    // And with the other, for one that tries them again.
    holding = false;
    held[0]?.kill('SIGKILL');
    await until(() => states().every((state) => state === 'ok'));
    expect(source()).toMatchObject({ state: 'running', message: '' });
  } finally {
    holding = false;
    const started = performance.now();
    await supervisor.stop();
    expect(performance.now() - started).toBeLessThan(500);
    for (const child of held) child.kill('SIGKILL');
  }
});

test('a driver that hangs as a whole is not tried a third time', async () => {
  const held: ChildProcess[] = [];
  let holding = true;
  const kill = (child: ChildProcess) => void (holding ? held.push(child) : child.kill('SIGKILL'));
  const { states, setFaults } = await watchRunning({ deadline: 300, initDeadline: 500, kill });
  try {
    setFaults({ driver: { hang: 'count' } });
    await until(() => held.length === 2);
    await sleep(3_000);
    expect(held).toHaveLength(2);
    expect(probesOf()).toHaveLength(2);
    setFaults({});
    holding = false;
    held[0]?.kill('SIGKILL');
    await until(() => states().every((state) => state === 'ok'));
  } finally {
    holding = false;
    for (const child of held) child.kill('SIGKILL');
  }
}, 15_000);
