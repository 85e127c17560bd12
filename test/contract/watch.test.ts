// Watching GPUs: where a watch begins, that it misses and repeats nothing, and how it ends.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';
import { connect, type Outcome, type WireEvent, type WireGpu } from '../fixtures/node-client.ts';
import { runs } from '../properties.ts';

const activeStreams = 'device_api_server_watch_streams_active';

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer(['--watch-history-size', '10', '--name-format', 'raw']);
});
afterEach(() => server.remove());

function create(name: string): Promise<{ gpu: WireGpu }> {
  return server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
}

function setReady(name: string, reason: string): Promise<{ gpu: WireGpu }> {
  const conditions = [{ type: 'Ready', status: 'True', reason }];
  return server.client.ok('UpdateGpuStatus', { name, status: { conditions } });
}

async function listVersion(): Promise<string> {
  const { gpu_list } = await server.client.ok<{ gpu_list: { metadata: { resource_version: string } } }>('ListGpus', {});
  return gpu_list.metadata.resource_version;
}

function from(resource_version: string): object {
  return { opts: { resource_version } };
}

/** What an event says, in short. */
function shown(events: readonly WireEvent[]): string[] {
  return events.map(({ type, object }) => `${type} ${object.metadata.name} ${object.resource_version}`);
}

describe('a watch', () => {
  test.each([
    ['no options', {}],
    ['an empty version', from('')],
    ['version "0"', from('0')],
  ])('with %s begins with an ADDED for every GPU, by name, as it is now', async (_what, request) => {
    for (const name of ['c', 'a', 'b']) await create(name);
    const { gpu } = await setReady('a', 'now');
    const watching = server.client.watch('WatchGpus', request);
    expect(shown(await watching.until(3))).toEqual(['ADDED a 4', 'ADDED b 3', 'ADDED c 1']);
    expect(watching.events[0]?.object).toEqual(gpu);
    await create('d');
    expect(shown(await watching.until(4)).at(-1)).toBe('ADDED d 5');
    watching.cancel();
  });

  test('stands as soon as its headers come, though there is no GPU', async () => {
    const watching = server.client.watch('WatchGpus');
    await new Promise((resolve) => watching.stream.once('metadata', resolve));
    expect(await server.metric(activeStreams)).toBe(1);
    watching.cancel();
  });

  test('from a version has what came after it and nothing else', async () => {
    for (const name of ['a', 'b', 'c']) await create(name);
    const watching = server.client.watch('WatchGpus', from('2'));
    await setReady('a', 'later');
    expect(shown(await watching.until(2))).toEqual(['ADDED c 3', 'MODIFIED a 4']);
    watching.cancel();
  });

  test('from the current version has nothing until something happens', async () => {
    await create('a');
    const watching = server.client.watch('WatchGpus', from(await listVersion()));
    await new Promise((resolve) => watching.stream.once('metadata', resolve));
    expect(watching.events).toEqual([]);
    await setReady('a', 'later');
    expect(shown(await watching.until(1))).toEqual(['MODIFIED a 2']);
    watching.cancel();
  });

  test('from a version older than the history is refused: list again', async () => {
    await create('a');
    for (let i = 0; i < 12; i += 1) await setReady('a', `reason ${i}`);
    expect(await server.client.watch('WatchGpus', from('2')).ended).toBe('OUT_OF_RANGE');
    const oldest = server.client.watch('WatchGpus', from('3'));
    expect(await oldest.until(10)).toHaveLength(10);
    oldest.cancel();
  });

  test.each(['2', String(2n ** 60n), '9'.repeat(19)])('from the future version %s is refused', async (version) => {
    await create('a');
    expect(await server.client.watch('WatchGpus', from(version)).ended).toBe('OUT_OF_RANGE');
    expect(await server.metric(activeStreams)).toBe(0);
  });

  test('shows a deleted GPU as it last was, at the version of its deletion', async () => {
    await create('a');
    const { gpu } = await setReady('a', 'last words');
    const watching = server.client.watch('WatchGpus', from(gpu.resource_version));
    await server.client.ok('DeleteGpu', { name: 'a' });
    const [deleted] = await watching.until(1);
    expect(deleted?.type).toBe('DELETED');
    expect(deleted?.object).toEqual({
      ...gpu,
      resource_version: '3',
      metadata: { ...gpu.metadata, resource_version: '3' },
    });
    expect(await listVersion()).toBe('3');
    watching.cancel();
  });

  test('has one event a change, and none where nothing changed', async () => {
    await create('a');
    const watching = server.client.watch('WatchGpus', from('1'));
    await create('a');
    await setReady('a', 'same');
    await setReady('a', 'same');
    await server.client.call('DeleteGpu', { name: 'none' });
    await create('b');
    expect(shown(await watching.until(2))).toEqual(['MODIFIED a 2', 'ADDED b 3']);
    watching.cancel();
  });
});

describe('the end of a watch', () => {
  test('is quiet when the daemon stops', async () => {
    await create('a');
    const watches = [server.client.watch('WatchGpus'), server.client.watch('WatchGpus', from('1'))];
    await watches[0]?.until(1);
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(2));
    const ended = Promise.all(watches.map((watching) => watching.ended));
    await server.stop();
    expect(await ended).toEqual(['OK', 'OK']);
    expect(await server.metric(activeStreams)).toBe(0);
  });

  test('is quiet also where the watch began while the daemon stopped, and does not delay the stop', async () => {
    await create('a');
    const writes = Array.from({ length: 200 }, (_, i) =>
      server.client.call('UpdateGpuStatus', { name: 'a', status: { recommended_action: `${i}` } }),
    );
    const watches = Array.from({ length: 20 }, () => server.client.watch('WatchGpus'));
    await vi.waitFor(async () => expect(await server.metric('grpc_server_started_total')).toBeGreaterThan(220));
    const before = performance.now();
    await Promise.all([server.stop(), ...writes]);
    // The fixture forces after 2 s.
    expect(performance.now() - before).toBeLessThan(1_500);
    for (const watching of watches) expect(await watching.ended).toMatch(/^(?:OK|UNAVAILABLE|CANCELLED)$/);
  });

  test('by the client gives the stream back', async () => {
    const watches = Array.from({ length: 20 }, () => server.client.watch('WatchGpus'));
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(20));
    for (const watching of watches) watching.cancel();
    expect(await Promise.all(watches.map((watching) => watching.ended))).toEqual(Array(20).fill('CANCELLED'));
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(0));
    await create('a');
  });

  test('by a deadline gives the stream back', async () => {
    const watching = server.client.watch('WatchGpus', {}, { deadline: Date.now() + 200 });
    expect(await watching.ended).toBe('DEADLINE_EXCEEDED');
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(0));
  });

  test('by a client that goes away without a word gives the stream back', async () => {
    const watching = server.client.watch('WatchGpus');
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(1));
    server.client.close();
    watching.stream.destroy();
    watching.cancel();
    await vi.waitFor(async () => expect(await server.metric(activeStreams)).toBe(0));
  });
});

describe('resuming', () => {
  type Operation = { kind: 'create' | 'status' | 'delete'; name: string; reason: string };
  const operation = fc.record({
    kind: fc.constantFrom<Operation['kind']>('create', 'status', 'status', 'delete'),
    name: fc.constantFrom('a', 'b', 'c'),
    reason: fc.string({ maxLength: 3 }),
  });

  function run({ kind, name, reason }: Operation): Promise<Outcome<{ gpu?: WireGpu }>> {
    const conditions = [{ type: 'Ready', status: 'True', reason }];
    switch (kind) {
      case 'create':
        return server.client.call('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name } } });
      case 'status':
        return server.client.call('UpdateGpuStatus', { name, status: { conditions } });
      case 'delete':
        return server.client.call('DeleteGpu', { name });
    }
  }

  beforeEach(async () => {
    await server.remove();
    server = await startCacheServer(['--watch-history-size', '100']);
  });

  test('at any point, while others write, misses nothing and repeats nothing', async () => {
    await create('first');
    const property = fc.asyncProperty(
      fc.array(operation, { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }),
      async (operations, cuts) => {
        // Nobody may cancel streams on one connection without end: the server would close it.
        const watcher = connect(`unix:${server.socket}`);
        const start = Number(await listVersion());
        const whole = watcher.watch('WatchGpus', from(String(start)));
        const half = Math.ceil(operations.length / 2);
        await Promise.all(operations.slice(0, half).map(run));
        const known = Number(await listVersion());
        // Some resume from before what has happened, some while the rest is being written.
        const later = operations.slice(half).map(run);
        const resumed = cuts.map((cut) => {
          const version = Math.min(start + cut, known);
          return { version, watching: watcher.watch('WatchGpus', from(String(version))) };
        });
        await Promise.all(later);
        await create(`last-${known}`);
        const end = Number(await listVersion());
        const all = await whole.until(end - start);
        expect(all.map(({ object }) => Number(object.resource_version))).toEqual(
          Array.from({ length: end - start }, (_, i) => start + 1 + i),
        );
        for (const { version, watching } of resumed) {
          expect(await watching.until(end - version)).toEqual(all.slice(version - start));
        }
        watcher.close();
        for (const watching of [whole, ...resumed.map((one) => one.watching)]) watching.cancel();
        await server.client.ok('DeleteGpu', { name: `last-${known}` });
      },
    );
    await fc.assert(property, runs(40, 1000));
  }, 600_000);

  test('a list and the watch from its version show every change once', async () => {
    const writes = Array.from({ length: 30 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i));
      return create(`gpu-${String(i).padStart(2, '0')}`);
    });
    await writes[10];
    const { gpu_list } = await server.client.ok<{
      gpu_list: { metadata: { resource_version: string }; items: WireGpu[] };
    }>('ListGpus', {});
    const watching = server.client.watch('WatchGpus', from(gpu_list.metadata.resource_version));
    const events = await watching.until(30 - gpu_list.items.length);
    const names = [...gpu_list.items, ...events.map(({ object }) => object)].map(({ metadata }) => metadata.name);
    expect(names.sort()).toEqual(Array.from({ length: 30 }, (_, i) => `gpu-${String(i).padStart(2, '0')}`));
    watching.cancel();
  });
});
