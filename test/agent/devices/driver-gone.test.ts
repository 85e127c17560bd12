// The driver is not there, or goes away: the source keeps looking for it with one and the same process.
import { expect, test } from 'vitest';
import { probesOf, until, watch, watchRunning } from './watched-source.ts';

test('goes away and comes back', async () => {
  const { states, device, source, setFaults } = await watchRunning();
  const [probe] = probesOf();
  setFaults({ driver: { gone: true } });
  await until(() => states().every((state) => state === 'driver-gone'));
  const { message } = device(0);
  expect(message).toMatch(/^simulated (count|events): the driver is gone$/);
  expect(source()).toMatchObject({ state: 'failed', message, devices: 4 });
  setFaults({});
  await until(() => states().every((state) => state === 'ok'));
  expect(source()).toMatchObject({ state: 'running', message: '', restarts: 0 });
  expect(probesOf()).toEqual([probe]);
});

test('is not there at first', async () => {
  const { source, setFaults } = watch({ faults: { driver: { gone: true } } });
  await until(() => source().state === 'failed');
  expect(source()).toMatchObject({ message: 'simulated open: the driver is gone', enumerated: false, devices: 0 });
  setFaults({});
  await until(() => source().enumerated);
  expect(source()).toMatchObject({ state: 'running', devices: 4 });
});
