// What does not arrive is tried again: when the receiver is down, slow, or leads elsewhere.
import { expect, test } from 'vitest';
import { startHttpReceiver } from '../../fixtures/alert-receivers.ts';
import { startFiringAlert } from '../../fixtures/alerting.ts';

test('a receiver that is down gets it when it is up again, under the same id', async () => {
  const receiver = await startHttpReceiver();
  const { pass, deliveries } = await startFiringAlert(receiver.url);
  receiver.answer = (response) => response.writeHead(500).end('broken');
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', attempts: 1, last_error: 'answered 500' }]);
  await pass(2);
  expect(receiver.received).toHaveLength(1);
  receiver.answer = (response) => void response.destroy();
  await pass(3);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', attempts: 2 }]);
  receiver.answer = (response) => response.end();
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'sent', attempts: 3, last_error: null }]);
  const ids = receiver.received.map(({ headers }) => headers['x-gpubroker-delivery']);
  expect(new Set(ids).size).toBe(1);
});

test('it is given up after twelve hours, and at once where the receiver is gone for good', async () => {
  const receiver = await startHttpReceiver();
  receiver.answer = (response) => response.writeHead(503).end();
  const { pass, alerting, now, deliveries } = await startFiringAlert(receiver.url);
  await pass(10);
  let [first] = await deliveries();
  for (let at = now(); first?.status === 'waiting'; [first] = await deliveries()) {
    at = first.next_attempt_at;
    await alerting.send(at);
  }
  expect(first?.status).toBe('given-up');
  // Waits between half of ten minutes and all of it, for twelve hours.
  expect(first?.attempts).toBeGreaterThan(72);
  expect(first?.attempts).toBeLessThan(160);
  const gone = await startFiringAlert(receiver.url);
  receiver.answer = (response) => response.writeHead(410).end();
  await gone.pass(10);
  expect(await gone.deliveries()).toMatchObject([{ status: 'given-up', attempts: 1 }]);
});

test('a receiver that does not answer is left after the deadline', async () => {
  const receiver = await startHttpReceiver();
  receiver.answer = () => {};
  const { pass, deliveries } = await startFiringAlert(receiver.url, { deadline: 200 });
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'waiting', last_error: 'no answer within 0.2 s' }]);
});

test('redirects are not followed, and endless answers not read', async () => {
  const elsewhere = await startHttpReceiver();
  const receiver = await startHttpReceiver();
  const { pass, deliveries } = await startFiringAlert(receiver.url);
  receiver.answer = (response) => response.writeHead(307, { location: elsewhere.url }).end();
  await pass(10);
  expect(await deliveries()).toMatchObject([{ last_error: expect.stringContaining('redirects are not followed') }]);
  expect(elsewhere.received).toEqual([]);
  receiver.answer = (response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384)));
    };
    response.on('drain', more);
    more();
  };
  await pass(10);
  expect(await deliveries()).toMatchObject([{ status: 'sent' }]);
});
