// Measurements on the link: a few under way, sent until they are stored, behind what is more urgent.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MeasurementQueue } from '../../src/broker-client/measurements.ts';
import { type LinkedNode, removeNodeFolders, startNode } from '../fixtures/linked-node.ts';
import { FakeMeasurements, measurementOf } from '../fixtures/measurement.ts';
import { type NodeLinkStandIn, startNodeLinkServer } from '../fixtures/node-link-server.ts';

const until = (what: () => unknown) => expect.poll(what, { timeout: 8_000, interval: 10 });
const several = (count: number) => Array.from({ length: count }, (_, i) => measurementOf(`gpu-${i}`));

describe('of a session', () => {
  function queueOf(count: number) {
    const source = new FakeMeasurements(...several(count));
    const time = { now: 0 };
    const queue = new MeasurementQueue(
      source,
      () => time.now,
      () => 1,
    );
    const drain = () => {
      const sent: string[] = [];
      for (let next = queue.next(); next; next = queue.next()) sent.push(next.id);
      return sent;
    };
    return { source, queue, time, drain, ids: source.unsent().map(({ id }) => id) };
  }

  test('four are under way, the oldest first, and one more for each that is stored', () => {
    const { source, queue, drain, ids } = queueOf(6);
    expect(drain()).toEqual(ids.slice(0, 4));
    queue.stored(ids[1] ?? '');
    expect(drain()).toEqual([ids[4]]);
    expect(source.unsent()).toHaveLength(5);
  });

  test('what is not answered is sent again after a while, ever later, and blocks nothing behind it', () => {
    const { queue, time, drain, ids } = queueOf(6);
    expect(drain()).toEqual(ids.slice(0, 4));
    time.now = 39_999;
    expect(drain()).toEqual([]);
    time.now = 40_000;
    expect(drain()).toEqual([ids[4], ids[5], ids[0], ids[1]]);
    time.now += 69_999;
    expect(drain()).toEqual([]);
    time.now += 1;
    expect(drain()).toHaveLength(4);
    for (let i = 0; i < 20; i += 1) {
      time.now += 910_000;
      expect(drain()).toHaveLength(4);
    }
    queue.stored(ids[0] ?? '');
    time.now += 910_000;
    drain();
    time.now += 40_000;
    expect(drain()).toHaveLength(4);
  });

  test('one that the broker never answers is sent again and again, for as long as it is there', () => {
    const { queue, time, drain, ids } = queueOf(1);
    for (let i = 0; i < 5; i += 1) {
      expect(drain()).toEqual(ids);
      time.now += 1_000_000;
    }
    queue.stored(ids[0] ?? '');
    expect(drain()).toEqual([]);
  });
});

describe('on the link', () => {
  let broker: NodeLinkStandIn;
  const nodes: LinkedNode[] = [];
  beforeEach(async () => {
    broker = await startNodeLinkServer();
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    broker.remove();
    removeNodeFolders();
  });

  async function start(...given: Parameters<typeof startNode> extends [unknown, ...infer Rest] ? Rest : never) {
    const node = await startNode(broker, ...given);
    nodes.push(node);
    return node;
  }
  const arrived = () => broker.measurements.map(({ gpu }) => gpu);

  test('what waits is sent, and what comes is sent at once, each until it is stored', async () => {
    const measurements = new FakeMeasurements(...several(9));
    const waited = measurements.unsent();
    await start({ measurements });
    await until(() => measurements.unsent()).toEqual([]);
    expect(broker.measurements).toEqual(waited);
    measurements.add(measurementOf('gpu-9'));
    await until(arrived).toContain('gpu-9');
    await until(() => measurements.unsent()).toEqual([]);
  });

  test('a broker that does not store them has four of them, and all again on the next stream', async () => {
    broker.behaviour.stores = false;
    const measurements = new FakeMeasurements(...several(6));
    const { link } = await start({ measurements });
    await until(arrived).toEqual(['gpu-0', 'gpu-1', 'gpu-2', 'gpu-3']);
    await until(() => broker.stream().beats.length).toBeGreaterThan(2);
    expect(broker.measurements).toHaveLength(4);
    broker.leave();
    await until(() => link.state.phase).not.toBe('streaming');
    broker.behaviour.stores = true;
    await broker.comeBack();
    await until(() => measurements.unsent()).toEqual([]);
    expect(arrived().slice(4)).toEqual(several(6).map(({ gpu }) => gpu));
  });

  test('what was not stored before a restart is sent after it', async () => {
    broker.behaviour.stores = false;
    const measurements = new FakeMeasurements(...several(2));
    const first = await start({ measurements });
    await until(arrived).toHaveLength(2);
    await first.stop();
    broker.behaviour.stores = true;
    await start({ folder: first.folder, measurements });
    await until(() => measurements.unsent()).toEqual([]);
    expect(arrived()).toHaveLength(4);
  });

  test('changes and the snapshot go first, and heartbeats wait for nothing', async () => {
    broker.leave();
    const measurements = new FakeMeasurements(...several(50));
    const { node } = await start({ measurements });
    for (let i = 0; i < 500; i += 1) node.set('a', `${i}`);
    await broker.comeBack();
    await until(() => measurements.unsent()).toEqual([]);
    const kinds = broker.stream().kinds.filter((kind) => kind !== 'heartbeat');
    expect(kinds.indexOf('measurement')).toBeGreaterThan(kinds.lastIndexOf('changes'));
    expect(kinds.indexOf('measurement')).toBeGreaterThan(kinds.indexOf('snapshot'));
    await until(() => broker.stream().beats.length).toBeGreaterThan(1);
  });
});
