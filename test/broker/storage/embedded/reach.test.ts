// PostgreSQL runs as another user when root starts it: what that user cannot reach is copied, or named in an error.
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { copyBinaries, npmBinaries, reachableBinaries } from '../../../../src/broker/storage/embedded/binaries.ts';
import { serverUser } from '../../../../src/broker/storage/embedded/server-user.ts';
import { longestSocketPath, socketFolderOf } from '../../../../src/broker/storage/embedded/socket-folder.ts';
import { testWith } from '../../../capabilities.ts';
import { openTestStorage } from '../../../fixtures/storage.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpubroker-reach-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

testWith('root')('a data folder behind a closed folder is refused by the name of that folder', async () => {
  // mkdtemp makes it 0700.
  await expect(openTestStorage({ dataFolder: join(folder, 'data') })).rejects.toMatchObject({
    code: 'GPUB_DATABASE_FOLDER_UNREACHABLE',
    message: expect.stringContaining(`it may not pass ${folder}`),
  });
});

testWith('root')('binaries in a closed folder are copied to the cache folder', async () => {
  const closed = copyBinaries(await npmBinaries(), join(folder, 'closed/postgres'));
  chmodSync(join(folder, 'closed'), 0o700);
  chmodSync(folder, 0o755);
  vi.stubEnv('GPUBROKER_CACHE_DIR', join(folder, 'cache'));
  const copy = await reachableBinaries(serverUser(), closed);
  expect(copy.postgres.startsWith(join(folder, 'cache/'))).toBe(true);
  expect((await reachableBinaries(serverUser(), closed)).postgres).toBe(copy.postgres);
});

testWith('root')('binaries that can be copied nowhere are an error that says what to do', async () => {
  const closed = copyBinaries(await npmBinaries(), join(folder, 'closed/postgres'));
  vi.stubEnv('GPUBROKER_CACHE_DIR', join(folder, 'closed/cache'));
  await expect(reachableBinaries(serverUser(), closed)).rejects.toMatchObject({
    code: 'GPUB_DATABASE_BINARIES_UNREACHABLE',
    advice: expect.stringContaining('GPUBROKER_CACHE_DIR'),
  });
});

test('the folder of the socket is the first where the path is short enough', () => {
  const long = join(folder, 'x'.repeat(80));
  mkdirSync(long);
  const made = socketFolderOf('/some/data', undefined, [long, folder]);
  expect(made.startsWith(`${folder}/gpubroker-`)).toBe(true);
  expect(Buffer.byteLength(`${made}/.s.PGSQL.5432`)).toBeLessThanOrEqual(longestSocketPath);
  expect(() => socketFolderOf('/some/data', undefined, [long])).toThrow('the path is too long');
});
