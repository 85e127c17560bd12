// What nodes report on their streams: stored before it is acknowledged, pulled again over a gap, bounded when slow.
import { describe, expect, test } from 'vitest';
import { Device } from '../../../src/wire/gpubroker/device/v1/device_details.ts';
import type { Change, Gpu, Snapshot } from '../../../src/wire/gpubroker/node/v1/node_link.ts';
import { enrolNode, joined, startNodeLink, until } from '../../fixtures/node-link.ts';

const gpu = (name: string): Gpu => ({
  device: Device.fromPartial({ name }),
  conditions: [],
  recommendedAction: '',
  resourceVersion: '1',
});
const snapshot = (sequence: bigint, pullId?: string): Snapshot => ({
  sequence,
  time: new Date(),
  gpus: [gpu('gpu-0'), gpu('gpu-1')],
  pullId,
});
const change = (sequence: bigint): Change => ({ sequence, time: new Date(), changed: gpu('gpu-0') });
const round = (sequence: bigint, time = new Date(Date.UTC(2026, 2, 1) + Number(sequence) * 5_000)) => ({
  telemetry: { sequence, time, samples: [{ gpu: 'gpu-0', utilizationPercent: 7 }] },
});

/** A gate that is closed until it is opened. */
function gate() {
  let open = () => {};
  const closed = new Promise<void>((opened) => {
    open = opened;
  });
  return { closed, open };
}

async function connected(limits: object = {}) {
  const link = await startNodeLink({ limits });
  const node = await enrolNode(link);
  return { link, node, stream: await joined(link, node) };
}

test('a snapshot and changes are acknowledged once they are stored, several at once', async () => {
  const { link, stream } = await connected();
  const { closed, open } = gate();
  link.ingest.gate = closed;
  stream.send({ snapshot: snapshot(3n) });
  stream.send({ changes: { changes: [change(4n), change(5n)] } });
  stream.beat(1);
  await stream.next('heartbeatReply');
  expect(stream.messages.filter(({ stored }) => stored)).toEqual([]);
  open();
  expect(await stream.next('stored')).toEqual({ changeSequence: 5n, telemetrySequence: 0n });
  expect(link.ingest.seen).toEqual(['joined', 'snapshot 3', 'changes 4-5']);
});

test('over a gap the inventory is pulled, once, until a snapshot closes it', async () => {
  const { link, stream } = await connected();
  link.ingest.gaps = 2;
  stream.send({ changes: { changes: [change(7n)] } });
  stream.send({ changes: { changes: [change(8n)] } });
  const { id } = await stream.next('pullInventory');
  stream.send({ snapshot: snapshot(8n, id) });
  expect(await stream.next('stored')).toMatchObject({ changeSequence: 8n });
  expect(stream.messages.filter(({ pullInventory }) => pullInventory)).toHaveLength(1);
  link.ingest.gaps = 1;
  stream.send({ changes: { changes: [change(10n)] } });
  expect((await stream.next('pullInventory')).id).not.toBe(id);
});

describe('telemetry', () => {
  test('is acknowledged when it is stored', async () => {
    const { link, stream } = await connected();
    for (const sequence of [1n, 2n, 4n]) stream.send(round(sequence));
    await until(() => link.telemetry.rounds.length === 3);
    await until(() => stream.messages.some(({ stored }) => stored?.telemetrySequence === 4n));
  });

  test('that is sent again is acknowledged and not stored again', async () => {
    const { link, stream } = await connected();
    stream.send(round(1n));
    await stream.next('stored');
    stream.send(round(1n));
    expect(await stream.next('stored')).toMatchObject({ telemetrySequence: 1n });
    expect(link.telemetry.rounds).toEqual([1n]);
  });

  test('that comes too fast is dropped, counted and acknowledged, and the stream goes on', async () => {
    const { link, stream } = await connected();
    const time = new Date(Date.UTC(2026, 2, 1));
    for (let sequence = 1n; sequence <= 100n; sequence += 1n) stream.send(round(sequence, time));
    await until(() => stream.messages.some(({ stored }) => stored?.telemetrySequence === 100n));
    expect(link.telemetry.rounds).toEqual([1n]);
    expect(await link.metric('gpubroker_telemetry_refused_total')).toBe(99);
    stream.beat(1);
    await stream.next('heartbeatReply');
  });

  test('of a node that makes its times up is bounded by the clock of the broker, also over streams', async () => {
    const { link, node, stream } = await connected({ telemetryBurst: 5 });
    for (let sequence = 1n; sequence <= 20n; sequence += 1n) stream.send(round(sequence));
    await until(() => stream.messages.some(({ stored }) => stored?.telemetrySequence === 20n));
    const again = await joined(link, node);
    again.send(round(21n));
    await until(() => again.messages.some(({ stored }) => stored?.telemetrySequence === 21n));
    expect(link.telemetry.rounds).toHaveLength(5);
  });
});

describe('while storing is slow', () => {
  test('a stream is read up to a bound, and on when there is room', async () => {
    const { link, stream } = await connected({ unstoredMessages: 4 });
    const { closed, open } = gate();
    link.ingest.gate = closed;
    for (let sequence = 1n; sequence <= 200n; sequence += 1n) stream.send({ changes: { changes: [change(sequence)] } });
    stream.beat(1);
    await until(() => link.ingest.waiting === 4);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(link.ingest.mostWaiting).toBe(4);
    expect(link.ingest.beats).toEqual([]);
    open();
    await stream.next('heartbeatReply');
    expect(link.ingest.mostWaiting).toBe(4);
    await until(() => stream.messages.some(({ stored }) => stored?.changeSequence === 200n));
  });

  test('a stream that is not read does not count as silent, and others go on', async () => {
    const { link, node, stream } = await connected({ unstoredMessages: 1, sweepInterval: 10 });
    const { closed, open } = gate();
    link.ingest.gate = closed;
    stream.send({ snapshot: snapshot(1n) });
    await until(() => link.ingest.waiting === 1);
    expect(link.links.isLive(node.nodeId)).toBe(true);
    open();
    const other = await joined(link, await enrolNode(link, 'node-2'));
    other.beat(1);
    await other.next('heartbeatReply');
    expect(link.links.count).toBe(2);
  });
});

describe('a report that breaks the protocol ends its stream with the reason', () => {
  const twice = { ...snapshot(1n), gpus: [gpu('a'), gpu('a')] };
  const condition = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: 'x'.repeat(32_769),
    lastTransitionTime: undefined,
  };
  test.each([
    ['a GPU twice', { snapshot: twice }, /names a twice/],
    [
      'too many GPUs',
      { snapshot: { ...snapshot(1n), gpus: Array.from({ length: 5 }, (_, i) => gpu(`${i}`)) } },
      /at most 4/,
    ],
    ['a GPU without a name', { snapshot: { ...snapshot(1n), gpus: [gpu('')] } }, /device.name has 1 to 253/],
    ['a name with a NUL', { snapshot: { ...snapshot(1n), gpus: [gpu('a\0')] } }, /NUL/],
    ['a GPU without a device', { snapshot: { ...snapshot(1n), gpus: [{ ...gpu('a'), device: undefined }] } }, /device/],
    ['a long condition', { snapshot: { ...snapshot(1n), gpus: [{ ...gpu('a'), conditions: [condition] }] } }, /32768/],
    ['no time', { snapshot: { ...snapshot(1n), time: undefined } }, /snapshot.time is not a time/],
    ['a year after 9999', { snapshot: { ...snapshot(1n), time: new Date('+012000-01-01') } }, /snapshot.time/],
    ['changes with a hole', { changes: { changes: [change(1n), change(3n)] } }, /go up by one/],
    ['change 0', { changes: { changes: [change(0n)] } }, /begin at 1/],
    [
      'a change of nothing',
      { changes: { changes: [{ sequence: 1n, time: new Date() }] } },
      /either changed or removed/,
    ],
    ['telemetry 0', { telemetry: { sequence: 0n, time: new Date(), samples: [] } }, /begins at 1/],
  ])('%s', async (_what, message, details) => {
    const { stream } = await connected({ gpus: 4 });
    stream.send(message);
    expect(await stream.ended).toMatchObject({
      status: 'INVALID_ARGUMENT',
      code: 'GPUB_PROTOCOL',
      details: expect.stringMatching(details),
    });
  });

  test('a second hello, and a key that nobody asked for', async () => {
    const { link, node, stream } = await connected();
    stream.send({ hello: node.key.hello(node.credentialId, Buffer.alloc(32), node.identity) });
    expect(await stream.ended).toMatchObject({ status: 'FAILED_PRECONDITION', code: 'GPUB_PROTOCOL' });
    const another = await joined(link, node);
    another.send({ newKey: node.key.newKey(node.credentialId) });
    expect(await another.ended).toMatchObject({ status: 'FAILED_PRECONDITION', code: 'GPUB_PROTOCOL' });
  });
});
