// Measuring processes that SIGKILL does not end. No test can put a process into an uninterruptible driver call, so here
// the kill is held back until the test lets it happen; everything else is real.
import type { ChildProcess } from 'node:child_process';
import { expect, onTestFinished } from 'vitest';
import { type Measuring, startMeasuring } from '../../../src/agent/verification/measuring.ts';
import type { Report } from '../../../src/agent/verification/orders.ts';
import { Survivors } from '../../../src/agent/verification/survivors.ts';
import { testWith } from '../../capabilities.ts';

const test = testWith('opencl');
const patience = 300;
/** All memory, for hours. */
const plan = { samples: 1_000, sampleMs: 60_000, checkedShare: 0.5, bufferBytes: 2 ** 20 };

/** Starts processes, and kills them only when it is told to. */
function undertaker() {
  const survivors = new Survivors(patience);
  const told: [pid: number, device: number | undefined][] = [];
  survivors.onSurvivor((...survivor) => told.push(survivor));
  const held: ChildProcess[] = [];
  let holding = true;
  const killed: ChildProcess[] = [];
  const kill = (process: ChildProcess) => {
    killed.push(process);
    if (holding) held.push(process);
    else process.kill('SIGKILL');
  };
  const bench = (device: number) =>
    startMeasuring({ kind: 'bench', device, plan, names: ['fp32'] }, 60_000, { survivors, kill });
  const letDie = () => {
    holding = false;
    for (const process of held.splice(0)) process.kill('SIGKILL');
  };
  onTestFinished(letDie);
  return { bench, held, killed, letDie, told };
}

/** Goes on when the first report has come. */
async function begun(measuring: Measuring): Promise<AsyncIterator<Report>> {
  const reports = measuring[Symbol.asyncIterator]();
  await reports.next();
  return reports;
}

/** Stops a process in the middle of its work; resolves with what its reader hears at the end. */
async function stopped(measuring: Measuring): Promise<unknown> {
  const reports = await begun(measuring);
  measuring.stop();
  return reports.next().catch((error: unknown) => error);
}

const survived = { fault: 'busy', message: expect.stringContaining('could not be killed') };

test('its device is busy until it is gone; others are not, and nobody waits for it', { timeout: 60_000 }, async () => {
  const { bench, held, letDie, told } = undertaker();
  const started = performance.now();
  expect(await stopped(bench(0))).toMatchObject({ fault: 'failed', message: 'the measurement was stopped' });
  expect(performance.now() - started).toBeGreaterThan(patience);
  expect(told).toEqual([[held[0]?.pid, 0]]);
  await expect(bench(0)[Symbol.asyncIterator]().next()).rejects.toMatchObject(survived);
  await expect(bench(0)[Symbol.asyncIterator]().next()).rejects.toThrow(`pid ${held[0]?.pid}`);
  // There is no device 99, but nothing else is in its way.
  await expect(bench(99)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ fault: 'absent' });
  letDie();
  await expect.poll(() => stopped(bench(0)), { timeout: 10_000 }).toMatchObject({ fault: 'failed' });
});

test('with two of them nothing is measured', { timeout: 60_000 }, async () => {
  const { bench, held, letDie } = undertaker();
  const first = bench(0);
  const second = bench(0);
  await Promise.all([stopped(first), stopped(second)]);
  expect(held).toHaveLength(2);
  await expect(bench(99)[Symbol.asyncIterator]().next()).rejects.toMatchObject(survived);
  expect(held).toHaveLength(2);
  letDie();
  const absent = { fault: 'absent' };
  const again = () =>
    bench(99)
      [Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error);
  await expect.poll(again, { timeout: 10_000 }).toMatchObject(absent);
});

test('one that dies when it is killed is gone before its reader goes on', { timeout: 60_000 }, async () => {
  const { bench, killed, letDie, told } = undertaker();
  letDie();
  expect(await stopped(bench(0))).toMatchObject({ fault: 'failed' });
  expect(killed.map(({ signalCode }) => signalCode)).toEqual(['SIGKILL']);
  expect(await stopped(bench(0))).toMatchObject({ fault: 'failed' });
  expect(told).toEqual([]);
});
