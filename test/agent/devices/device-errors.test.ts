// Errors that a device answers with: its own state changes at the next sweep, nobody else's.
import { expect, test } from 'vitest';
import { until, watch, watchRunning } from './watched-source.ts';

const ERRORS = [
  { fault: { lost: true }, state: 'lost', message: 'simulated check: device 2 is lost' },
  { fault: { resetRequired: true }, state: 'reset-required', message: 'simulated check: device 2 needs a reset' },
  { fault: { failed: 'no power' }, state: 'failed', message: 'simulated check: no power' },
];

test.each(ERRORS)('$state, and back', async ({ fault, state, message }) => {
  const interval = 300;
  const { told, device, states, setFaults, source } = await watchRunning({ interval });
  const { uuid } = device(2);
  const injected = performance.now();
  setFaults({ '2': fault });
  await until(() => device(2).state !== 'ok');
  expect(device(2)).toMatchObject({ state, message });
  expect((told.find((call) => call.state === state)?.at ?? Infinity) - injected).toBeLessThan(interval + 150);

  setFaults({});
  await until(() => device(2).state === 'ok');
  expect(states()).toEqual(['ok', 'ok', 'ok', 'ok']);
  expect(told.filter((call) => call.state !== 'ok').map((call) => call.uuid)).toEqual([uuid]);
  expect(source().restarts).toBe(0);
});

test('a device that has never answered is not told of, but the source says why', async () => {
  const { states, source, setFaults } = await watchRunning({ faults: { '1': { lost: true } } });
  expect(states()).toEqual(['ok', 'ok', 'ok']);
  expect(source()).toMatchObject({ state: 'running', enumerated: true, unidentified: 1 });
  expect(source().message).toBe('device 1 cannot be identified: simulated check: device 1 is lost');
  setFaults({});
  await until(() => states().length === 4);
  await until(() => source().message === '');
  expect(source().unidentified).toBe(0);
  setFaults({ '1': { lost: true } });
  await until(() => states()[1] === 'lost' || states()[3] === 'lost');
  expect(source().unidentified).toBe(0);
});

test('a look that identifies none of the devices that are there is none', async () => {
  const lost = { lost: true };
  const { source, setFaults } = watch({ faults: { '0': lost, '1': lost, '2': lost, '3': { hang: true } } });
  await until(() => source().unidentified === 4);
  expect(source()).toMatchObject({ state: 'running', enumerated: false, devices: 0 });
  setFaults({ '0': lost, '1': lost, '2': lost });
  await until(() => source().enumerated);
  expect(source()).toMatchObject({ devices: 1, unidentified: 3 });
});

test('a record that cannot be read yet does not make a device known', async () => {
  const { states, setFaults } = await watchRunning({ faults: { removed: [3] } });
  setFaults({ '3': { failed: 'not yet' } });
  await until(() => states().length === 3);
  setFaults({});
  await until(() => states().length === 4);
});
