// A leader whose process is stopped: the server drops it, another takes over, and what it wakes up to do is refused.
import { expect, onTestFinished, test } from 'vitest';
import { createLeader } from '../../../src/broker/storage/leader.ts';
import { testDatabase } from '../../fixtures/database.ts';
import { silentLog } from '../../fixtures/storage.ts';
import { storageProcess } from '../../fixtures/storage-child.ts';

test('a stopped leader is replaced and cannot write when it wakes up', async () => {
  const { url } = await testDatabase();
  const stopped = storageProcess('lead', url, '1000');
  expect(await stopped.line()).toBe('leads 1');
  stopped.ask();
  expect(await stopped.line()).toBe('leads still');
  const second = createLeader({ url, log: silentLog, now: () => new Date() });
  onTestFinished(() => second.close());
  const waiting = second.waitToLead();
  stopped.child.kill('SIGSTOP');
  expect(await waiting).toBe(2);
  stopped.ask();
  stopped.child.kill('SIGCONT');
  expect(await stopped.line()).toBe('GPUB_LEADERSHIP_LOST');
});

test('a leader that was killed is replaced', async () => {
  const { url } = await testDatabase();
  const killed = storageProcess('lead', url, '15000');
  expect(await killed.line()).toBe('leads 1');
  const second = createLeader({ url, log: silentLog, now: () => new Date() });
  onTestFinished(() => second.close());
  const waiting = second.waitToLead();
  await killed.kill();
  expect(await waiting).toBe(2);
});
