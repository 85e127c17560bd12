// Nodes, and strangers, that do what they should not: they are cut, and nobody else notices.
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { type Client, type ClientDuplexStream, credentials, makeGenericClientConstructor, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectRequest, NodeLinkService } from '../../../src/wire/gpubroker/node/v1/node_link.ts';
import { enrolNode, joined, startNodeLink, type TestLink, TestStream, until } from '../../fixtures/node-link.ts';
import { runs } from '../../properties.ts';

/** A client whose requests are whatever bytes the test gives. */
function rawClient(link: TestLink): { connect(): ClientDuplexStream<Buffer, Buffer> } & Client {
  const service = {
    connect: {
      ...NodeLinkService.connect,
      requestSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (b: Buffer) => b,
    },
  };
  const Raw = makeGenericClientConstructor(service, 'NodeLink');
  const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.ssl_target_name_override': 'localhost' };
  return new Raw(link.address, credentials.createSsl(link.ca), options) as never;
}

/** How a stream ends on which these bytes are the first message. */
async function endOf(client: ReturnType<typeof rawClient>, first: Buffer): Promise<{ code: string; reason: unknown }> {
  const call = client.connect();
  call.on('error', () => undefined);
  const nonce = once(call, 'data');
  const ended = new Promise<{ code: string; reason: unknown }>((resolve) => {
    call.on('status', ({ code, metadata }) =>
      resolve({ code: status[code] ?? '', reason: metadata.get('gpubroker-code')[0] }),
    );
  });
  await nonce;
  call.write(first);
  return ended;
}

test('random bytes end their stream with a clear status, and leave others alone', async () => {
  const link = await startNodeLink();
  const witness = await joined(link, await enrolNode(link));
  const client = rawClient(link);
  let beats = 0;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      const { code, reason } = await endOf(client, Buffer.from(bytes));
      expect(['INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'UNAUTHENTICATED']).toContain(code);
      expect(reason).toMatch(/^GPUB_/);
      beats += 1;
      witness.beat(beats);
      expect(await witness.next('heartbeatReply')).toEqual({ sequence: BigInt(beats) });
    }),
    runs(40, 1_000),
  );
  client.close();
  await until(() => link.links.count === 1);
});

test('true messages with bytes changed do no harm on a stream that is open', async () => {
  const link = await startNodeLink();
  const node = await enrolNode(link);
  const witness = await joined(link, await enrolNode(link, 'witness'));
  const time = new Date();
  const whole = [
    { heartbeat: { sequence: 1n, time, telemetryDropped: 0n, spooled: 0 } },
    { snapshot: { sequence: 1n, time, gpus: [] } },
    { telemetry: { sequence: 1n, time, samples: [{ gpu: 'gpu-0', utilizationPercent: 3 }] } },
    { challengeResult: { id: 'x', payload: Buffer.from('y'), refused: '' } },
  ].map((message) => Buffer.from(ConnectRequest.encode(message).finish()));
  const spoiled = fc.tuple(fc.constantFrom(...whole), fc.nat(), fc.nat({ max: 255 })).map(([bytes, at, value]) => {
    const copy = Buffer.from(bytes);
    copy[at % copy.length] = value;
    return copy;
  });
  const client = rawClient(link);
  let beats = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(spoiled, { minLength: 1, maxLength: 5 }), async (messages) => {
      const call = client.connect();
      call.on('error', () => undefined);
      const [first] = await once(call, 'data');
      const nonce = Buffer.from(first).subarray(-32);
      const hello = node.key.hello(node.credentialId, nonce, node.identity);
      call.write(Buffer.from(ConnectRequest.encode({ hello }).finish()));
      for (const message of messages) call.write(message);
      call.end();
      call.resume();
      await new Promise((ended) => call.on('status', ended));
      beats += 1;
      witness.beat(beats);
      expect(await witness.next('heartbeatReply')).toEqual({ sequence: BigInt(beats) });
    }),
    runs(30, 750),
  );
  client.close();
  await until(() => link.links.count === 1);
});

describe('a message that is too large', () => {
  test('of a stranger: more than 64 KiB', async () => {
    const link = await startNodeLink();
    const client = rawClient(link);
    expect(await endOf(client, Buffer.alloc(64 * 1024 + 1))).toEqual({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'GPUB_PROTOCOL',
    });
    client.close();
  });

  test('of a node: more than 4 MiB, where a smaller one is taken', async () => {
    const link = await startNodeLink();
    const stream = await joined(link, await enrolNode(link));
    const challengeResult = (bytes: number) => ({
      challengeResult: { id: 'x', payload: Buffer.alloc(bytes), refused: '' },
    });
    stream.send(challengeResult(4 * 1024 * 1024 - 100));
    stream.beat(1);
    await stream.next('heartbeatReply');
    stream.send(challengeResult(4 * 1024 * 1024));
    expect(await stream.ended).toMatchObject({ status: 'RESOURCE_EXHAUSTED' });
    await until(() => link.links.count === 0);
    expect(link.ingest.seen).toEqual(['joined', 'left']);
  });
});

test('a node that sends thousands of messages at once holds up nobody', async () => {
  const link = await startNodeLink();
  const flooding = await joined(link, await enrolNode(link, 'a'));
  const witness = await joined(link, await enrolNode(link, 'b'));
  for (let sequence = 1; sequence <= 3_000; sequence += 1) flooding.beat(sequence);
  witness.beat(1);
  await witness.next('heartbeatReply');
  await until(() => flooding.messages.at(-1)?.heartbeatReply?.sequence === 3_000n);
});

test('a node that does not read costs little, and is cut', async () => {
  const link = await startNodeLink({ limits: { waitingCommands: 8, sweepInterval: 20, readerStall: 100_000 } });
  const node = await enrolNode(link);
  const stream = await joined(link, node);
  stream.call.pause();
  const payload = Buffer.alloc(64 * 1024);
  const asked = Array.from({ length: 16 }, () =>
    link.links.challenge(node.nodeId, { kind: 'k', gpus: [], payload }, new Date(Date.now() + 60_000)),
  );
  const standings = setInterval(() => link.links.setStanding(node.nodeId, { cordoned: true, draining: false }), 1);
  const outcomes = await Promise.allSettled(asked);
  clearInterval(standings);
  expect(outcomes.map((one) => one.status === 'rejected' && one.reason.code)).toContain('GPUB_NODE_STALLED');
  expect(link.links.count).toBe(0);
});

test('a node that does not read for too long is cut', async () => {
  const link = await startNodeLink({ limits: { sweepInterval: 20, readerStall: 60, questions: 60 } });
  const node = await enrolNode(link);
  const stream = await joined(link, node);
  stream.call.pause();
  const work = { kind: 'k', gpus: [], payload: Buffer.alloc(64 * 1024) };
  const deadline = new Date(Date.now() + 60_000);
  const asked = Array.from({ length: 60 }, () => link.links.challenge(node.nodeId, work, deadline));
  const codes = (await Promise.allSettled(asked)).map((one) => one.status === 'rejected' && one.reason.code);
  expect(new Set(codes)).toEqual(new Set(['GPUB_NODE_STALLED']));
});

test('a stream that its peer keeps open after the status is reset', async () => {
  const link = await startNodeLink({ limits: { sweepInterval: 20, resetAfter: 60 } });
  const session: ClientHttp2Session = connect(`https://${link.address}`, { ca: link.ca, servername: 'localhost' });
  const stream = session.request({
    ':method': 'POST',
    ':path': NodeLinkService.connect.path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.resume();
  // A message of no fields is no hello; the stream is never ended from this side.
  stream.write(Buffer.alloc(5));
  await new Promise((closed) => stream.on('close', closed));
  expect(stream.rstCode).not.toBe(0);
  session.close();
});

test('strangers that never say hello do not keep others out', async () => {
  const link = await startNodeLink({ limits: { helloDeadline: 100, sweepInterval: 20 } });
  const silent = Array.from({ length: 30 }, () => new TestStream(link.client()));
  const stream = await joined(link, await enrolNode(link));
  stream.beat(1);
  await stream.next('heartbeatReply');
  const ends = await Promise.all(silent.map(({ ended }) => ended));
  expect(new Set(ends.map(({ code }) => code))).toEqual(new Set(['GPUB_NODE_SILENT']));
});

test('a connection without a call is told to go, and one with a stream is not', async () => {
  const link = await startNodeLink({ limits: { idleConnection: 100 } });
  const goneAway: string[] = [];
  const open = (name: string) => {
    const session = connect(`https://${link.address}`, { ca: link.ca, servername: 'localhost' });
    session.on('goaway', () => goneAway.push(name));
    return session;
  };
  const busy = open('busy');
  const stream = busy.request({
    ':method': 'POST',
    ':path': NodeLinkService.connect.path,
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  await once(stream, 'data');
  const idle = open('idle');
  await once(idle, 'goaway');
  expect(goneAway).toEqual(['idle']);
  busy.destroy();
});
