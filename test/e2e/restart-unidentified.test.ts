// An agent that starts while some GPUs do not answer, so that nobody can say who they are.
import { afterEach, expect, test } from 'vitest';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import { createFakeDriver, type FakeDriver } from '../fixtures/nvml/fake-driver.ts';

const beat = ['--heartbeat-interval', '300ms'];
const ok = { Ready: 'True', NVMLReady: 'True' };
const notReconfirmed = { status: 'Unknown', reason: 'NotReconfirmed' };

let driver: FakeDriver | undefined;
let agent: FakeAgent | undefined;
afterEach(async () => {
  await agent?.remove();
  driver?.remove();
});

function start(fake: FakeDriver, folder?: string): FakeAgent {
  driver = fake;
  agent = startAgent({ driver: fake, flags: beat, ...(folder === undefined ? {} : { folder }) });
  return agent;
}

async function restart(before: FakeAgent, change: (fake: FakeDriver) => void): Promise<FakeAgent> {
  // A read waits for the writes before it: ready is said as soon as they are accepted.
  await before.list();
  await before.kill();
  before.client.close();
  change(before.driver);
  return start(before.driver, before.folder);
}

/** Far longer than three beats. */
const wait = () => new Promise((resolve) => setTimeout(resolve, 3_000));

test('after a restart, a lost GPU and one that hangs stay listed, are not healthy, and come back', async () => {
  let running = start(createFakeDriver({ gpus: 8 }));
  await untilReady(running);
  running = await restart(running, (fake) => {
    fake.update((state) => {
      Object.assign(fake.gpu(3), { lost: true });
      state.hangs = { nvmlDeviceGetTemperature: { 5: true } };
    });
  });
  await untilReady(running);
  await wait();
  expect((await running.list()).gpus).toHaveLength(8);
  for (const place of [3, 5]) {
    expect(await running.condition(place, 'Ready')).toMatchObject(notReconfirmed);
    expect(await running.condition(place, 'NVMLReady')).toMatchObject(notReconfirmed);
  }
  expect(await running.conditions(4)).toEqual(ok);
  const { body } = await running.health('/readyz?verbose');
  expect(body).toContain('device 3 cannot be identified');
  expect(body).toContain('device 5 cannot be identified');

  running.driver.update((state) => {
    Object.assign(running.driver.gpu(3), { lost: false });
    state.hangs = {};
  });
  for (const place of [3, 5]) {
    await expect.poll(() => running.conditions(place), { timeout: 15_000 }).toEqual(ok);
  }
  expect((await running.list()).gpus).toHaveLength(8);
});

test('a count that fails later does not make a lost GPU one that is gone', async () => {
  let running = start(createFakeDriver({ gpus: 4 }));
  await untilReady(running);
  running = await restart(running, (fake) => fake.update(() => Object.assign(fake.gpu(1), { lost: true })));
  await untilReady(running);
  running.driver.update((state) => {
    state.errors = { nvmlDeviceGetCount_v2: { '*': 999 } };
  });
  await wait();
  expect((await running.list()).gpus).toHaveLength(4);
});

test('not ready, and why, while the only GPU cannot be identified; ready when it answers', async () => {
  const fake = createFakeDriver({ gpus: 1 });
  fake.update(() => Object.assign(fake.gpu(0), { lost: true }));
  const running = start(fake);
  await expect
    .poll(() => running.health('/readyz'))
    .toMatchObject({ status: 503, body: expect.stringContaining('device 0 cannot be identified') });
  await wait();
  expect((await running.health('/readyz')).status).toBe(503);
  fake.update(() => Object.assign(fake.gpu(0), { lost: false }));
  await untilReady(running);
  expect(await running.conditions(0)).toEqual(ok);
});

test('not ready, and why, while the driver kills every probe that starts it', async () => {
  const fake = createFakeDriver({ gpus: 1 });
  fake.update((state) => {
    state.crashes = { nvmlInit_v2: { '*': true } };
  });
  const running = start(fake);
  await expect
    .poll(() => running.health('/readyz'), { timeout: 5_000 })
    .toMatchObject({ status: 503, body: expect.stringContaining('dies again and again in open (signal SIGSEGV)') });
  fake.update((state) => {
    state.crashes = {};
  });
  await untilReady(running);
  expect(await running.conditions(0)).toEqual(ok);
});
