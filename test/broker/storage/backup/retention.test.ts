// Which backups and segments of the archive are removed.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { listBackups, removeOld } from '../../../../src/broker/storage/backup/list.ts';
import { writeManifest } from '../../../../src/broker/storage/backup/manifest.ts';
import { segmentsBetween } from '../../../../src/broker/storage/backup/segments.ts';
import { idOf } from '../../../../src/broker/storage/backup/take.ts';

const now = new Date('2026-03-31T00:00:00Z');
let backups = '';
let archive = '';

beforeEach(() => {
  backups = realpathSync(mkdtempSync(join(tmpdir(), 'gpubroker-backups-')));
  archive = join(backups, 'wal');
  mkdirSync(archive);
  for (let number = 1; number <= 9; number++) writeFileSync(join(archive, `00000001000000000000000${number}.gz`), '');
  writeFileSync(join(archive, '00000002.history.gz'), '');
  onTestFinished(() => rmSync(backups, { recursive: true, force: true }));
});

async function backup(daysAgo: number, firstSegment: string, isComplete = true): Promise<string> {
  const at = new Date(now.getTime() - daysAgo * 86_400_000);
  const id = idOf(at);
  mkdirSync(join(backups, id, 'data'), { recursive: true });
  if (isComplete) {
    await writeManifest(join(backups, id), {
      format: 1,
      id,
      kind: 'embedded',
      startedAt: at.toISOString(),
      finishedAt: at.toISOString(),
      serverVersion: '18.4',
      majorVersion: 18,
      systemIdentifier: '1',
      firstSegment,
      lastSegment: firstSegment,
      archive,
      migrations: [],
      folders: [],
      files: [],
    });
  }
  utimesSync(join(backups, id), at, at);
  return id;
}

test('so many are kept, and of the archive what they need', async () => {
  const oldest = await backup(9, '000000010000000000000002');
  const middle = await backup(5, '000000010000000000000004');
  const newest = await backup(1, '000000010000000000000007');
  expect(removeOld(backups, archive, { keep: 2 }, now)).toEqual({ backups: [oldest], segments: 3 });
  expect(listBackups(backups).map(({ id }) => id)).toEqual([newest, middle]);
  expect(readdirSync(archive)[0]).toBe('000000010000000000000004.gz');
  expect(existsSync(join(archive, '00000002.history.gz'))).toBe(true);
});

test('the days of backups are kept, and always the newest', async () => {
  const old = await backup(40, '000000010000000000000002');
  const newest = await backup(35, '000000010000000000000004');
  expect(removeOld(backups, archive, { keepDays: 30 }, now).backups).toEqual([old]);
  expect(listBackups(backups).map(({ id }) => id)).toEqual([newest]);
});

test('the archive may be kept from fewer backups on than are kept', async () => {
  await backup(9, '000000010000000000000002');
  await backup(5, '000000010000000000000004');
  await backup(1, '000000010000000000000007');
  expect(removeOld(backups, archive, { keepDays: 30, archiveOf: 2 }, now)).toEqual({ backups: [], segments: 3 });
  expect(readdirSync(archive)[0]).toBe('000000010000000000000004.gz');
});

test('what was cut short is removed after a day; without a whole backup the archive is left alone', async () => {
  const cut = await backup(3, '', false);
  const running = await backup(0.5, '', false);
  expect(removeOld(backups, archive, { keep: 7 }, now)).toEqual({ backups: [cut], segments: 0 });
  expect(listBackups(backups).map(({ id }) => id)).toEqual([running]);
});

test('segments are counted over the end of a log file', () => {
  expect(segmentsBetween('0000000100000000000000FE', '000000010000000100000001', 16 * 1024 * 1024)).toEqual([
    '0000000100000000000000FE',
    '0000000100000000000000FF',
    '000000010000000100000000',
    '000000010000000100000001',
  ]);
});
