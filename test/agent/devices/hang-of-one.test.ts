// A driver call for one device does not return: that device is hung by the deadline, the others stay ok and true.
import { expect, test } from 'vitest';
import { sleep, until, watchRunning } from './watched-source.ts';

test.each(['check', 'sample'])(
  'in %s, and back when released',
  async (call) => {
    const { told, device, states, source, setFaults } = await watchRunning({ deadline: 1_000 });
    const { uuid } = device(2);
    const injected = performance.now();
    setFaults({ '2': { hang: call } });
    await until(() => device(2).state === 'hung');
    const hung = performance.now();
    expect(hung - injected).toBeLessThan(2_000);
    expect(device(2).message).toBe(`${call} of device 2 did not return within 1 s`);

    // The others are not only called ok: they are looked at all the while.
    const { length } = told;
    const others = new Set(told.map((change) => change.uuid).filter((other) => other !== uuid));
    await until(() => [...others].every((other) => told.slice(length).some((change) => change.uuid === other)));
    setFaults({ '2': { hang: call }, '0': { lost: true } });
    await until(() => device(0).state === 'lost');
    setFaults({ '2': { hang: call } });
    await until(() => device(0).state === 'ok');
    await sleep(1_500);
    expect(states()).toEqual(['ok', 'ok', 'hung', 'ok']);

    setFaults({});
    await until(() => device(2).state === 'ok');
    expect(told.filter((change) => change.state !== 'ok').map((change) => change.state)).toEqual(['hung', 'lost']);
    expect(source()).toMatchObject({ restarts: 1, state: 'running', message: '' });
  },
  20_000,
);

test('of a device that was never identified: it is left out, and the source says so', async () => {
  const { states, source, setFaults } = await watchRunning({ faults: { '1': { hang: true } }, deadline: 600 });
  expect(states()).toEqual(['ok', 'ok', 'ok']);
  expect(source()).toMatchObject({ state: 'running', enumerated: true, restarts: 1 });
  expect(source().message).toContain('device 1 cannot be identified: check of device 1 did not return within 0.6 s');
  setFaults({});
  await until(() => states().length === 4);
});

test('of several devices: each is isolated in its turn', async () => {
  const { states, setFaults } = await watchRunning({ deadline: 600 });
  setFaults({ '0': { hang: true }, '3': { hang: true } });
  await until(() => states()[0] === 'hung' && states()[3] === 'hung');
  await until(() => states()[1] === 'ok' && states()[2] === 'ok');
  setFaults({});
  await until(() => states().every((state) => state === 'ok'));
});
