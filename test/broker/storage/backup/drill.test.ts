// The drill: a database dies, and a new machine gets everything up to a chosen time, or up to the end of the archive.
// Prints what was lost (RPO) and how long it took (RTO). DRILL_ARCHIVE_TIMEOUT=60 makes it as long as the broker's own.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { restoreBackup } from '../../../../src/broker/storage/backup/restore.ts';
import { foldersIn } from '../../../../src/broker/storage/embedded/open.ts';
import { addedAccounts, runningStorage } from '../../../fixtures/backup.ts';
import { newDataFolder, openTestStorage, smallSettings } from '../../../fixtures/storage.ts';

test('after kill -9 a new machine gets what there was at a point in time, and what the archive had', async () => {
  const archiveTimeout = Number(process.env.DRILL_ARCHIVE_TIMEOUT ?? 1);
  const running = await runningStorage({ archive_timeout: `'${archiveTimeout}s'` });
  const { folder } = await running.backUp();
  await running.add('before T');
  await sleep(20);
  const pointInTime = new Date((await running.add('last before T')).getTime() + 10);
  await sleep(20);
  await running.add('after T');
  await archived(foldersIn(running.dataFolder).archive, running);
  // The worst moment is just before the next segment would have been archived.
  const worst = performance.now() + archiveTimeout * 950;
  const writes: Date[] = [];
  do {
    writes.push(await running.add('perhaps lost'));
    await sleep(20);
  } while (performance.now() < worst);
  process.kill(postmasterOf(running.dataFolder), 'SIGKILL');
  await running.storage.close();

  const exact = newDataFolder();
  const started = performance.now();
  const toTime = await restoreBackup({
    backup: folder,
    dataFolder: exact,
    until: pointInTime,
    settings: smallSettings,
  });
  const storage = await openTestStorage({ dataFolder: exact });
  const recoveryTime = (performance.now() - started) / 1000;
  expect(await addedAccounts(storage)).toEqual(['before T', 'last before T']);
  expect(toTime.reached?.getTime()).toBeLessThanOrEqual(pointInTime.getTime());
  await storage.close();

  const latest = newDataFolder();
  await restoreBackup({ backup: folder, dataFolder: latest, until: 'latest', settings: smallSettings });
  const end = await openTestStorage({ dataFolder: latest });
  const [first, second, third, ...rest] = await addedAccounts(end);
  expect([first, second, third]).toEqual(['before T', 'last before T', 'after T']);
  // How long before the end the first write was made that is lost.
  const last = writes.at(-1)?.getTime() ?? 0;
  const lost = (last - (writes[rest.length]?.getTime() ?? last)) / 1000;
  expect(lost).toBeLessThan(300);
  expect(recoveryTime).toBeLessThan(1800);
  console.info(`drill: RPO ${lost.toFixed(2)} s (archive every ${archiveTimeout} s), RTO ${recoveryTime.toFixed(2)} s`);
}, 400_000);

/** Waits until what has been written so far is in the archive. */
async function archived(archive: string, { storage }: Awaited<ReturnType<typeof runningStorage>>): Promise<void> {
  const { rows } = await storage.database.pool.query('select pg_walfile_name(pg_current_wal_lsn()) as segment');
  const file = join(archive, `${rows[0]?.segment}.gz`);
  while (!existsSync(file)) await sleep(50);
  expect(readdirSync(archive).filter((name) => name.endsWith('.part'))).toEqual([]);
}

function postmasterOf(dataFolder: string): number {
  return Number(readFileSync(join(dataFolder, 'postgres/postmaster.pid'), 'utf8').split('\n', 1)[0]);
}
