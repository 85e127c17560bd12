// What a node refuses a broker, each with its reason and by the name of the field; what went before is not harmed.
import { randomBytes } from 'node:crypto';
import { expect, test as plainTest } from 'vitest';
import { NotFree } from '../../../src/agent/measurements/contract.ts';
import { mostRowBytes } from '../../../src/agent/measurements/proof-steps.ts';
import { testWith } from '../../capabilities.ts';
import { nodeOfDevice, type ProofBroker } from '../../fixtures/node-proofs.ts';
import { processesOf } from '../devices/watched-source.ts';

const test = testWith('opencl');
const gpu = 'gpu-a';
const text = 'x'.repeat(129);
const many = (count: number) => Array.from({ length: count }, () => ({ round: 0, row: 0 }));

type Hostile = [what: string, ask: (broker: ProofBroker) => Promise<unknown>, refusal: string];

const beforePrepare: Hostile[] = [
  ['kind', (broker) => broker.raw({ kind: 'mining/1', gpus: [gpu] }), 'unsupported: kind: there is proof-of-gpu/1'],
  ['payload', (broker) => broker.raw({ gpus: [gpu], payload: Buffer.from([255, 255]) }), 'invalid: payload: '],
  ['no step', (broker) => broker.step([gpu], {}), 'invalid: step: 0 are not allowed; one is'],
  ['two steps', (broker) => broker.step([gpu], { end: {}, rows: { first: 0, count: 1 } }), 'invalid: step: 2 are'],
  ['no gpus', (broker) => broker.prepare([]), 'invalid: gpus: 0 are not allowed; 1 to 1024 are'],
  [
    'gpus',
    (broker) => broker.prepare(Array.from({ length: 1_025 }, (_, at) => `gpu-${at}`)),
    'invalid: gpus: 1025 are',
  ],
  ['gpus twice', (broker) => broker.prepare([gpu, gpu]), 'invalid: gpus: one is named twice'],
  ['a long name', (broker) => broker.prepare([text]), 'invalid: gpus: 1 to 128 characters are allowed'],
  ['epochSeed', (broker) => broker.prepare([gpu], { epochSeed: randomBytes(31) }), 'invalid: epochSeed: 31 bytes; 32'],
  ['size', (broker) => broker.prepare([gpu], { size: 100 }), 'invalid: size: 100 is not allowed; a multiple of 128'],
  ['a large size', (broker) => broker.prepare([gpu], { size: 65_664 }), 'invalid: size: 65664 is not allowed'],
  ['rounds', (broker) => broker.prepare([gpu], { rounds: 0 }), 'invalid: rounds: 0 is not allowed; 1 to 1024 are'],
  ['many rounds', (broker) => broker.prepare([gpu], { rounds: 1_025 }), 'invalid: rounds: 1025 is not allowed'],
  ['sessionMillis', (broker) => broker.prepare([gpu], { sessionMillis: 0 }), 'invalid: sessionMillis: 0 is not'],
  ['a session that is not there', (broker) => broker.begin(gpu), 'unknown: session: there is none of the id'],
];

plainTest.each(beforePrepare)('%s', async (_, ask, refusal) => {
  const { broker, gpus } = nodeOfDevice();
  await expect(ask(broker())).rejects.toThrow(refusal);
  expect(gpus.taken.size).toBe(0);
});

plainTest('the id of a session', async () => {
  const { broker } = nodeOfDevice();
  await expect(broker(text).prepare([gpu])).rejects.toThrow('invalid: session: 1 to 128 characters are allowed');
  await expect(broker('').prepare([gpu])).rejects.toThrow('invalid: session: 1 to 128 characters are allowed');
});

plainTest('the end of a session that is not there is no failure', async () => {
  await nodeOfDevice().broker().end([gpu]);
});

plainTest('more sessions than there may be', async () => {
  const looked = Promise.withResolvers<never>();
  const { broker } = nodeOfDevice({ free: { take: () => looked.promise } });
  const prepared = Array.from({ length: 8 }, (_, at) => broker().prepare([`gpu-${at}`]));
  await expect(broker().prepare([gpu])).rejects.toThrow('busy: session: 8 are not over; so many are allowed');
  looked.reject(new NotFree('held', 'it is sold'));
  const refusals = (await Promise.all(prepared)).flatMap((one) => one.refusals);
  expect(new Set(refusals.map(({ reason }) => reason))).toEqual(new Set(['held']));
  expect((await broker().prepare([gpu])).refusals).toHaveLength(1);
});

test('in every step of a session', { timeout: 60_000 }, async () => {
  const node = nodeOfDevice();
  const broker = node.broker();
  const expectRefused = (asked: Promise<unknown>, refusal: string) => expect(asked).rejects.toThrow(refusal);
  await broker.prepare([gpu]);

  await expectRefused(broker.prepare(['gpu-b']), 'busy: session: the one of this id is not over');
  const twice = { gpu, reason: 'busy', message: 'the agent computes on it' };
  expect(await node.broker().prepare([gpu])).toEqual({ refusals: [twice] });
  await expectRefused(node.broker().begin(gpu), 'unknown: session: ');
  await node.broker().end([gpu]);
  await expectRefused(broker.begin('gpu-b'), 'unknown: gpus: "gpu-b" is not in the session');
  await expectRefused(broker.step([gpu, 'gpu-b'], { begin: {} }), 'invalid: gpus: 2 are not allowed; one is');
  await expectRefused(broker.open(gpu, many(1)), 'invalid: step: open comes once, after the commitment');
  await expectRefused(broker.begin(gpu, { proof: '' }), 'invalid: proof: 1 to 128 characters are allowed');
  await expectRefused(broker.begin(gpu, { proof: text }), 'invalid: proof: 1 to 128 characters are allowed');
  await expectRefused(broker.begin(gpu, { seed: randomBytes(33) }), 'invalid: seed: 33 bytes are not allowed; 32 are');

  const first = broker.begin(gpu);
  await expectRefused(broker.begin(gpu), 'busy: the GPU is at another step');
  await first;
  await expectRefused(broker.begin(gpu), 'invalid: step: begin comes once, when the GPU is ready');
  await expectRefused(broker.rows(gpu, 0, 1), 'invalid: step: rows come after open');
  await expectRefused(broker.open(gpu, []), 'invalid: places: 0 are not allowed; 1 to 4096 are');
  await expectRefused(broker.open(gpu, many(4_097)), 'invalid: places: 4097 are not allowed');
  await expectRefused(broker.open(gpu, [{ round: 2, row: 0 }]), 'invalid: round: 2 is not allowed; 0 to 1 are');
  await expectRefused(broker.open(gpu, [{ round: 0, row: 128 }]), 'invalid: row: 128 is not allowed; 0 to 127 are');

  await broker.open(gpu, many(4_096));
  await expectRefused(broker.open(gpu, many(1)), 'invalid: step: open comes once');
  await expectRefused(broker.rows(gpu, 0, 0), 'invalid: count: 0 is not allowed; 1 to ');
  await expectRefused(broker.rows(gpu, 4_096, 1), 'invalid: first: 4096 and 0 behind it are not allowed; 4096 were');
  await expectRefused(broker.rows(gpu, 4_090, 7), 'invalid: first: 4090 and 6 behind it');
  await expectRefused(broker.rows(gpu, 2 ** 32 - 1, 1), 'invalid: first: 4294967295');
  // As many as a message takes, and one more.
  const refusal = await broker.rows(gpu, 0, 4_096).catch((error: Error) => error.message);
  const most = Number(/^invalid: count: 4096 is not allowed; 1 to (\d+) are$/.exec(String(refusal))?.[1]);
  await expectRefused(broker.rows(gpu, 0, most + 1), 'invalid: count: ');
  const rows = { rows: { first: 0, count: most } };
  const { length } = await broker.step([gpu], rows);
  expect(length).toBeLessThan(mostRowBytes);
  expect(length).toBeGreaterThan(mostRowBytes / 4);
  await broker.end([gpu]);
  expect(processesOf('measure.ts')).toEqual([]);
});

test('a work that no device has the memory for', { timeout: 60_000 }, async () => {
  const { broker, gpus } = nodeOfDevice();
  const { refusals } = await broker().prepare([gpu], { size: 65_536, rounds: 1_024 });
  expect(refusals).toEqual([{ gpu, reason: 'failed', message: expect.stringContaining('the work needs') }]);
  expect(gpus.taken.size).toBe(0);
  // And that was the end of the session.
  expect(await broker().prepare([gpu])).toEqual({ refusals: [] });
});
