// A driver call that names no device does not return: all devices are hung, and the probe is tried again.
import { expect, test } from 'vitest';
import { until, watch, watchRunning } from './watched-source.ts';

test.each(['count', 'events'])('in %s, and back', async (call) => {
  const { states, source, device, setFaults } = await watchRunning({ deadline: 500 });
  setFaults({ driver: { hang: call } });
  await until(() => states().every((state) => state === 'hung'));
  expect(device(0).message).toBe(`${call} did not return within 0.5 s`);
  expect(source()).toMatchObject({ state: 'failed', message: `${call} did not return within 0.5 s` });
  setFaults({});
  await until(() => states().every((state) => state === 'ok'));
  expect(source()).toMatchObject({ state: 'running', message: '' });
});

test('in open: nothing is enumerated until it returns', async () => {
  const { source, states, setFaults } = watch({ faults: { driver: { hang: 'open' } }, initDeadline: 700 });
  await until(() => source().state === 'failed');
  expect(source()).toMatchObject({ message: 'open did not return within 0.7 s', enumerated: false });
  setFaults({});
  await until(() => states().length === 4);
});
