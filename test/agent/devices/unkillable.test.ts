// Processes that SIGKILL does not end. No test can put a process into an uninterruptible driver call, so here the kill
// is held back until the test lets it happen; everything else is real.
import type { ChildProcess } from 'node:child_process';
import { expect, test } from 'vitest';
import { probesOf, sleep, until, watchRunning } from './watched-source.ts';

test('no more than two are made; when one dies, its device is tried again', async () => {
  const held: ChildProcess[] = [];
  let holding = true;
  const kill = (child: ChildProcess) => void (holding ? held.push(child) : child.kill('SIGKILL'));
  const { states, setFaults, supervisor } = await watchRunning({ deadline: 500, kill });
  try {
    setFaults({ '0': { hang: true }, '1': { hang: true } });
    await until(() => states()[0] === 'hung' && states()[1] === 'hung');
    await sleep(2_500);
    expect(held).toHaveLength(2);
    // Those two, and the main probe, which leaves their devices alone.
    expect(probesOf()).toHaveLength(3);
    expect(states()).toEqual(['hung', 'hung', 'ok', 'ok']);

    setFaults({});
    holding = false;
    held[1]?.kill('SIGKILL');
    await until(() => states()[1] === 'ok');
    expect(states()).toEqual(['hung', 'ok', 'ok', 'ok']);
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
