// What nodes measured: acknowledged once it is kept or never will be, checked, and bounded.
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { Refusal } from '../../../src/broker/refusal.ts';
import type { Measurement } from '../../../src/wire/gpubroker/device/v1/measurement.ts';
import { measurementOf } from '../../fixtures/measurement.ts';
import { enrolNode, joined, startNodeLink, until } from '../../fixtures/node-link.ts';

/** Behind the seam where measurements are kept. */
class MemoryIntake {
  readonly taken: { nodeId: string; measurement: Measurement }[] = [];
  /** Awaited before anything is kept. */
  gate: () => Promise<void> = async () => undefined;
  waiting = 0;

  async take(nodeId: string, measurement: Measurement): Promise<void> {
    this.waiting += 1;
    await this.gate().finally(() => {
      this.waiting -= 1;
    });
    this.taken.push({ nodeId, measurement });
  }
}

async function connected(limits: object = {}) {
  const measurements = new MemoryIntake();
  const link = await startNodeLink({ limits, measurements });
  const node = await enrolNode(link);
  const counted = (outcome: string) => link.metric('gpubroker_node_measurements_total', `{outcome="${outcome}"}`);
  return { link, node, measurements, counted, stream: await joined(link, node) };
}

test('a measurement is acknowledged when it is kept, not before', async () => {
  const { node, measurements, stream, counted } = await connected();
  const gate = Promise.withResolvers<void>();
  measurements.gate = () => gate.promise;
  const measurement = measurementOf('gpu-0');
  stream.send({ measurement });
  stream.beat(1);
  await stream.next('heartbeatReply');
  expect(stream.messages.filter(({ measurementStored }) => measurementStored)).toEqual([]);
  gate.resolve();
  expect(await stream.next('measurementStored')).toEqual({ id: measurement.id });
  expect(measurements.taken).toEqual([{ nodeId: node.nodeId, measurement }]);
  expect(await counted('stored')).toBe(1);
});

test('one that cannot be kept now is not acknowledged, and is taken when it comes again', async () => {
  const { link, node, measurements, stream, counted } = await connected();
  measurements.gate = () => Promise.reject(new Refusal('unavailable', 'GPUB_UNAVAILABLE', 'the database is away'));
  const measurement = measurementOf('gpu-0');
  stream.send({ measurement });
  await until(async () => (await counted('unavailable')) === 1);
  stream.beat(1);
  await stream.next('heartbeatReply');
  expect(stream.messages.filter(({ measurementStored }) => measurementStored)).toEqual([]);
  measurements.gate = async () => undefined;
  const again = await joined(link, node);
  again.send({ measurement });
  expect(await again.next('measurementStored')).toEqual({ id: measurement.id });
});

test.each(['invalid', 'not-found'] as const)('one that is refused as %s needs not come again', async (kind) => {
  const { measurements, stream, counted } = await connected();
  measurements.gate = () => Promise.reject(new Refusal(kind, 'GPUB_NOT_FOUND', 'no such GPU'));
  const measurement = measurementOf('gpu-9');
  stream.send({ measurement });
  expect(await stream.next('measurementStored')).toEqual({ id: measurement.id });
  expect(await counted('refused')).toBe(1);
});

test('a fault of the broker is no answer', async () => {
  const { measurements, stream, counted } = await connected();
  measurements.gate = () => Promise.reject(new TypeError('a fault'));
  stream.send({ measurement: measurementOf('gpu-0') });
  await until(async () => (await counted('unavailable')) === 1);
  stream.beat(1);
  await stream.next('heartbeatReply');
  expect(stream.messages.filter(({ measurementStored }) => measurementStored)).toEqual([]);
});

test('a broker that keeps none acknowledges none', async () => {
  const link = await startNodeLink();
  const stream = await joined(link, await enrolNode(link));
  stream.send({ measurement: measurementOf('gpu-0') });
  stream.beat(1);
  await stream.next('heartbeatReply');
  expect(stream.messages.filter(({ measurementStored }) => measurementStored)).toEqual([]);
  expect(await link.metric('gpubroker_node_messages_total', '{type="measurement"}')).toBe(1);
});

test('a figure that this version does not know is left out, whatever it holds', async () => {
  const { measurements, stream } = await connected();
  const whole = measurementOf('gpu-0');
  const figures = [...whole.figures, { name: 'fp4', unit: 'PFLOP/s', samples: [Number.NaN] }];
  stream.send({ measurement: { ...whole, figures } });
  await stream.next('measurementStored');
  expect(measurements.taken[0]?.measurement).toEqual(whole);
});

const figure = { name: 'fp32', unit: 'TFLOP/s', samples: [1] };
const unmeasured = { name: 'fp16', why: 'failed', message: '' };
const reversed = { readings: 1, throttleBits: 0, smMhz: { least: 2, greatest: 1 } };

test.each<[string, Partial<Measurement>]>([
  ['no GPU', { gpu: '' }],
  ['a GPU with a long name', { gpu: 'g'.repeat(254) }],
  ['a NUL', { deviceModel: 'a\0b' }],
  ['no start', { startTime: undefined }],
  ['an end before its start', { endTime: new Date(0) }],
  ['a year after 9999', { endTime: new Date('+012000-01-01') }],
  ['an unknown effort', { effort: 'heroic' }],
  ['no backend', { backend: '' }],
  ['a label that is not the node’s to give', { label: 'challenge-verified' }],
  ['a figure twice', { figures: [figure, figure] }],
  ['a figure that was measured and was not', { figures: [{ ...figure, name: 'fp16' }], unmeasured: [unmeasured] }],
  ['a figure in another unit', { figures: [{ ...figure, unit: 'GB/s' }] }],
  ['a figure without samples', { figures: [{ ...figure, samples: [] }] }],
  ['samples without end', { figures: [{ ...figure, samples: Array(257).fill(1) }] }],
  ['a sample that is no number', { figures: [{ ...figure, samples: [1, Number.NaN] }] }],
  ['a sample that is infinite', { figures: [{ ...figure, samples: [Number.POSITIVE_INFINITY] }] }],
  ['a sample below nothing', { figures: [{ ...figure, samples: [-1] }] }],
  ['a range that ends before it begins', { figures: [{ ...figure, conditions: reversed }] }],
  ['figures without end', { figures: Array.from({ length: 65 }, (_, i) => ({ ...figure, name: `f${i}` })) }],
  ['an unknown reason', { unmeasured: [{ ...unmeasured, why: 'lazy' }] }],
  ['a long reason', { unmeasured: [{ ...unmeasured, message: 'x'.repeat(1_025) }] }],
])('%s: the measurement is refused for good, and the stream goes on', async (_what, more) => {
  const { measurements, stream, counted } = await connected();
  const bad = measurementOf('gpu-0', more);
  stream.send({ measurement: bad });
  expect(await stream.next('measurementStored')).toEqual({ id: bad.id });
  const good = measurementOf('gpu-0');
  stream.send({ measurement: good });
  expect(await stream.next('measurementStored')).toEqual({ id: good.id });
  expect(measurements.taken.map(({ measurement: { id } }) => id)).toEqual([good.id]);
  expect(await counted('refused')).toBe(1);
});

test('an id that is none cannot be answered, so it ends the stream', async () => {
  const { stream } = await connected();
  stream.send({ measurement: measurementOf('gpu-0', { id: 'one' }) });
  expect(await stream.ended).toMatchObject({
    status: 'INVALID_ARGUMENT',
    code: 'GPUB_PROTOCOL',
    details: 'measurement.id is not a UUID',
  });
});

test('a node that measures without end is bounded by the clock of the broker, also over streams', async () => {
  let now = Date.now();
  const measurements = new MemoryIntake();
  const limits = { measurementBurst: 3, measurementInterval: 10_000 };
  const link = await startNodeLink({ measurements, limits, now: () => new Date(now) });
  const node = await enrolNode(link);
  const limited = () => link.metric('gpubroker_node_measurements_total', '{outcome="limited"}');
  const stream = await joined(link, node);
  for (let i = 0; i < 5; i += 1) stream.send({ measurement: measurementOf('gpu-0') });
  await until(async () => (await limited()) === 2);
  const again = await joined(link, node);
  again.send({ measurement: measurementOf('gpu-0') });
  await until(async () => (await limited()) === 3);
  expect(measurements.taken).toHaveLength(3);
  now += 10_000;
  again.send({ measurement: measurementOf('gpu-0') });
  await again.next('measurementStored');
  expect(measurements.taken).toHaveLength(4);
});

test('while keeping is slow, a stream is read up to a bound, and on when there is room', async () => {
  const { measurements, stream } = await connected({ unstoredMessages: 4 });
  const gate = Promise.withResolvers<void>();
  measurements.gate = () => gate.promise;
  for (let i = 0; i < 50; i += 1) stream.send({ measurement: measurementOf('gpu-0', { id: randomUUID() }) });
  await until(() => measurements.waiting === 4);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(measurements.waiting).toBe(4);
  gate.resolve();
  await until(() => measurements.taken.length === 50);
});
