// The queue is bounded, in order, and hands out batches of a bounded size.
import { expect, test } from 'vitest';
import { IngestQueue } from '../../../../src/broker/registry/ingest/queue.ts';

const limits = { entries: 3, batchEntries: 2, batchBytes: 100 };

test('who finds it full waits outside, unread, and comes in in order', async () => {
  const queue = new IngestQueue<number, void>(
    limits,
    () => 1,
    () => {},
  );
  const read: number[] = [];
  for (let entry = 0; entry < 6; entry++) {
    void queue.add(() => {
      read.push(entry);
      return entry;
    });
  }
  expect(read).toEqual([0, 1, 2]);
  expect(queue.length).toBe(6);
  const batch = queue.take();
  expect(batch.map(({ entry }) => entry)).toEqual([0, 1]);
  expect(read).toEqual([0, 1, 2]);
  queue.settled(batch.length);
  expect(read).toEqual([0, 1, 2, 3, 4]);
  expect(queue.take().map(({ entry }) => entry)).toEqual([2, 3]);
});

test('an entry that cannot be read takes no place', async () => {
  const queue = new IngestQueue<number, void>(
    limits,
    () => 1,
    () => {},
  );
  const refused = queue.add(() => {
    throw new Error('garbled');
  });
  await expect(refused).rejects.toThrow('garbled');
  expect(queue.length).toBe(0);
});

test('a batch is bounded in bytes, and holds one entry at least', () => {
  const queue = new IngestQueue<number, void>(
    { ...limits, entries: 10, batchEntries: 10 },
    (size) => size,
    () => {},
  );
  for (const size of [60, 40, 1, 500, 5]) void queue.add(() => size);
  const sizes = [1, 2, 3, 4].map(() => queue.take().map(({ entry }) => entry));
  expect(sizes).toEqual([[60, 40], [1], [500], [5]]);
});
