// The fake driver hangs and crashes for real, so these calls are made in a child process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { FakeDriver } from '../../../fixtures/nvml/fake-driver.ts';
import { startDriver } from './open-source.ts';

function checkInChild(driver: FakeDriver, index: number): ChildProcess {
  const script = join(import.meta.dirname, 'one-call.ts');
  const child = spawn(process.execPath, [script, driver.libraryPath, String(index)], {
    env: { ...process.env, ...driver.env },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function end(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const [code, signal] = await once(child, 'exit');
  return { code, signal };
}

test('a call that crashes takes its process with it, and only for that GPU', async () => {
  const driver = startDriver({ gpus: 2 });
  driver.update((state) => {
    state.crashes = { nvmlDeviceGetTemperature: { 1: true } };
  });
  expect(await end(checkInChild(driver, 1))).toEqual({ code: null, signal: 'SIGSEGV' });
  expect(await end(checkInChild(driver, 0))).toEqual({ code: 0, signal: null });
});

test('a call that hangs returns when the driver recovers, and not before', async () => {
  const driver = startDriver({ gpus: 2 });
  driver.update((state) => {
    state.hangs = { nvmlDeviceGetTemperature: { 1: true } };
  });
  expect(await end(checkInChild(driver, 0))).toEqual({ code: 0, signal: null });
  const hung = checkInChild(driver, 1);
  const ended = end(hung);
  expect(await Promise.race([ended, sleep(700, 'hangs')])).toBe('hangs');
  driver.update((state) => {
    state.hangs = {};
  });
  expect(await ended).toEqual({ code: 0, signal: null });
});

test('a process that hangs in the driver can be killed', async () => {
  const driver = startDriver();
  driver.update((state) => {
    state.hangs = { nvmlInit_v2: { '*': true } };
  });
  const hung = checkInChild(driver, 0);
  await sleep(300);
  expect(hung.exitCode).toBeNull();
  hung.kill('SIGKILL');
  expect(await end(hung)).toEqual({ code: null, signal: 'SIGKILL' });
});
