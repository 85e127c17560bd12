// Removes what is long over: resolved alerts with their deliveries, and closed incidents.
import type { Queryable } from '../storage/database.ts';

/** Those that ended before a time. Resolves with how many there were. */
export async function removeOldAlerts(db: Queryable, before: Date): Promise<{ alerts: number; incidents: number }> {
  const alerts = await db.deleteFrom('alerts').where('resolved_at', '<', before).executeTakeFirst();
  const incidents = await db.deleteFrom('incidents').where('closed_at', '<', before).executeTakeFirst();
  return { alerts: Number(alerts.numDeletedRows), incidents: Number(incidents.numDeletedRows) };
}
