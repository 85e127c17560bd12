// A probe process that dies: it is back before anybody notices, unless it dies on the same device again and again.
import { expect, test } from 'vitest';
import { probesOf, until, watch, watchRunning } from './watched-source.ts';

test('once: a new one takes over and no device changes', async () => {
  const { told, source, states } = await watchRunning({ deadline: 2_000 });
  const [probe = 0] = probesOf();
  process.kill(probe, 'SIGKILL');
  await until(() => source().restarts === 1);
  const { length } = told;
  await until(() => told.length > length + 8);
  expect(probesOf()).toHaveLength(1);
  expect(states()).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect(told.every((call) => call.state === 'ok')).toBe(true);
});

test('twice in a row on one device: that device is isolated, and tried again', async () => {
  const { told, device, states, setFaults } = await watchRunning({ deadline: 2_000 });
  setFaults({ '1': { crash: true } });
  await until(() => device(1).state === 'hung');
  expect(device(1).message).toBe('the probe process died 2 times in a row in check of device 1 (signal SIGSEGV)');
  await until(() => states().filter((state) => state === 'ok').length === 3);
  setFaults({});
  await until(() => device(1).state === 'ok');
  expect(new Set(told.map((call) => call.state))).toEqual(new Set(['ok', 'hung']));
});

test.each(['open', 'count'])('for good in %s: every device is probe-down, and the source says why', async (call) => {
  const { told, states, source, setFaults } = await watchRunning({ deadline: 5_000 });
  setFaults({ driver: { crash: call } });
  if (call === 'open') process.kill(probesOf()[0] ?? 0, 'SIGKILL');
  await until(() => states().every((state) => state === 'probe-down'), 3_000);
  const message = `the probe process dies again and again in ${call} (signal SIGSEGV)`;
  await until(() => source().state === 'failed');
  expect(source().message).toBe(message);
  // Further deaths tell nobody anything new.
  const { restarts } = source();
  const { length } = told;
  await until(() => source().restarts > restarts);
  expect(told).toHaveLength(length);
  setFaults({});
  await until(() => states().every((state) => state === 'ok'));
  await until(() => source().state === 'running');
  expect(source().message).toBe('');
});

test('from the start: the source has failed soon, though nothing was ever known, and recovers', async () => {
  const { source, setFaults } = watch({ deadline: 60_000, faults: { driver: { crash: 'open' } } });
  await until(() => source().state === 'failed', 3_000);
  expect(source().message).toBe('the probe process dies again and again in open (signal SIGSEGV)');
  setFaults({});
  await until(() => source().state === 'running');
  expect(source()).toMatchObject({ enumerated: true, devices: 4, message: '' });
});

test('the probe holds none of the secrets of the agent', async () => {
  process.env.GPUBROKER_DATABASE_URL = 'postgres://user:a-secret@host/db';
  const { source } = watch();
  await until(() => source().enumerated);
  const { readFileSync } = await import('node:fs');
  const environment = readFileSync(`/proc/${probesOf()[0]}/environ`, 'utf8');
  expect(environment).toContain('PATH=');
  expect(environment).not.toContain('a-secret');
});
