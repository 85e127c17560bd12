// The data folder belongs to one daemon at a time.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newFolder, startCacheServer } from '../fixtures/cache-server.ts';

test('of a living daemon is refused to another with a coded error, and free again once that one stopped', async () => {
  const folder = newFolder();
  const first = await startCacheServer([], folder);
  const other = ['--unix-socket', join(folder, 'other.sock')];
  await expect(startCacheServer(other, folder)).rejects.toMatchObject({
    code: 'GPUB_DATA_DIR_IN_USE',
    message: expect.stringContaining(join(folder, 'data')),
  });
  expect(await first.client.call('ListGpus', {})).toHaveProperty('ok');
  await first.stop();
  const second = await startCacheServer(other, folder);
  await second.remove();
});
