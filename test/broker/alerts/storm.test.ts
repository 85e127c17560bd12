// Five thousand nodes go offline at once: an incident for each, and one notice.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { startHttpReceiver } from '../../fixtures/alert-receivers.ts';
import { startTestAlerting } from '../../fixtures/alerting.ts';

test('five thousand nodes that go offline make five thousand incidents and one notice a group', async () => {
  const receiver = await startHttpReceiver();
  const { addRule, offline, pass, supply, db } = await startTestAlerting({ nodes: 5000 });
  const url = receiver.url;
  const secret = 'a secret of the receiver';
  for (const groupBy of ['rule', 'cluster'] as const) {
    await addRule({ channels: [{ id: newId(), type: 'webhook', url, secret }], groupBy });
  }
  await offline(supply.nodeIds.slice(0, 2500));
  await pass(0);
  await offline(supply.nodeIds);
  for (const seconds of [5, 5, 60, 600]) await pass(seconds);
  const { count } = await db
    .selectFrom('incidents')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  expect(count).toBe(5000);
  const notices = receiver.received.map(({ body }) => JSON.parse(body));
  expect(notices.map(({ alert }) => [alert.group, alert.subject_count, alert.subjects.length]).sort()).toEqual([
    [`cluster:${supply.clusterId}`, 5000, 20],
    ['rule', 5000, 20],
  ]);
  expect(Math.max(...receiver.received.map(({ body }) => body.length))).toBeLessThan(10_000);
});
