// What ended long ago is removed, and nothing else.
import { expect, test } from 'vitest';
import { removeOldAlerts } from '../../../src/broker/alerts/clean-up.ts';
import { newId } from '../../../src/broker/ids.ts';
import { startTestAlerting } from '../../fixtures/alerting.ts';

test('only what ended before the time is removed', async () => {
  const { db, addRule, offline, pass, supply, now } = await startTestAlerting();
  await addRule({ channels: [{ id: newId(), type: 'slack', url: 'http://127.0.0.1:1/' }] });
  await offline(supply.nodeIds);
  await pass(0);
  await pass(10);
  const first = `node:${supply.nodeIds[0]}`;
  await db.updateTable('incidents').set({ status: 'closed', closed_at: now() }).where('subject', '=', first).execute();
  expect(await removeOldAlerts(db, now())).toEqual({ alerts: 0, incidents: 0 });
  await db.updateTable('alerts').set({ status: 'resolved', resolved_at: now() }).execute();
  expect(await removeOldAlerts(db, new Date(now().getTime() + 1))).toEqual({ alerts: 1, incidents: 1 });
  expect(await db.selectFrom('alert_deliveries').select('id').execute()).toEqual([]);
});
