// Sessions of proofs that end before their time: whatever ends them, what is awaited is refused with the reason, and no
// process stays behind.
import type { ChildProcess } from 'node:child_process';
import { expect, onTestFinished, vi } from 'vitest';
import { ProofChallenges } from '../../../src/agent/proof-challenges.ts';
import { startMeasuring } from '../../../src/agent/verification/measuring.ts';
import { Survivors } from '../../../src/agent/verification/survivors.ts';
import { testWith } from '../../capabilities.ts';
import { startNode } from '../../fixtures/linked-node.ts';
import { startNodeLinkServer } from '../../fixtures/node-link-server.ts';
import { nodeOfDevice, ProofBroker, SharedDevice } from '../../fixtures/node-proofs.ts';
import { processesOf } from '../devices/watched-source.ts';

const test = testWith('opencl');
const gpu = 'gpu-a';
/** Of waiting for what should happen much sooner. */
const patience = { timeout: 30_000, interval: 10 };
/** Takes the device of a processor minutes. */
const long = { size: 640, rounds: 1_024 };
/** Until a step is under way. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 300));

/** Resolves when no measuring process is left, and every GPU is given back. */
async function nothingLeft({ taken }: SharedDevice): Promise<void> {
  await vi.waitUntil(() => processesOf('measure.ts').length === 0 && taken.size === 0, patience);
}

test('a GPU that is sold while it works; the other one works on', { timeout: 60_000 }, async () => {
  const { broker: newBroker, gpus } = nodeOfDevice();
  const broker = newBroker();
  await broker.prepare([gpu, 'gpu-b'], { size: 512, rounds: 24 });
  const begun = broker.begin(gpu);
  const other = broker.begin('gpu-b');
  begun.catch(() => undefined);
  await soon();
  gpus.lose(gpu, 'held', 'it is sold');
  const lostAt = performance.now();
  await expect(begun).rejects.toThrow('held: it is sold');
  await vi.waitUntil(() => !gpus.taken.has(gpu), patience);
  // Killed in the middle of a kernel: given back at once.
  expect(performance.now() - lostAt).toBeLessThan(1_000);
  expect((await other).root).toHaveLength(32);
  await expect(broker.begin(gpu)).rejects.toThrow('held: it is sold');
  expect([...gpus.taken.keys()]).toEqual(['gpu-b']);
});

test('a GPU that is lost before it is ready', { timeout: 60_000 }, async () => {
  const { broker, gpus } = nodeOfDevice();
  const prepared = broker().prepare([gpu]);
  await vi.waitUntil(() => gpus.taken.has(gpu), patience);
  gpus.lose(gpu, 'unhealthy', 'it fell off the bus');
  expect((await prepared).refusals).toEqual([{ gpu, reason: 'unhealthy', message: 'it fell off the bus' }]);
  await nothingLeft(gpus);
});

test('a GPU whose device has another number now', { timeout: 60_000 }, async () => {
  const { broker, gpus } = nodeOfDevice();
  gpus.deviceName = 'Another';
  const { refusals } = await broker().prepare([gpu]);
  expect(refusals).toEqual([{ gpu, reason: 'failed', message: expect.stringMatching(/^the device is .+ now$/) }]);
  await nothingLeft(gpus);
});

test('the time of the session', { timeout: 60_000 }, async () => {
  const { broker: newBroker, gpus } = nodeOfDevice();
  const broker = newBroker();
  // On a busy machine it may not even get ready in that time.
  const begun = broker.prepare([gpu], { ...long, sessionMillis: 2_500 }).then(() => broker.begin(gpu));
  await expect(begun).rejects.toThrow('ended: the session has had its 2500 ms');
  await nothingLeft(gpus);
  await expect(broker.begin(gpu)).rejects.toThrow('unknown: session: ');
  expect(await newBroker().prepare([gpu])).toEqual({ refusals: [] });
});

test('a process that somebody kills', { timeout: 60_000 }, async () => {
  const { broker: newBroker, gpus } = nodeOfDevice();
  const broker = newBroker();
  await broker.prepare([gpu], long);
  const begun = broker.begin(gpu);
  const [pid = 0] = processesOf('measure.ts');
  process.kill(pid, 'SIGKILL');
  await expect(begun).rejects.toThrow('failed: the measuring process ended with signal SIGKILL');
  await vi.waitUntil(() => gpus.taken.size === 0, patience);
});

test('one that cannot be killed keeps its GPU, and nobody waits for it', { timeout: 60_000 }, async () => {
  const survivors = new Survivors(200);
  const held: ChildProcess[] = [];
  const start: typeof startMeasuring = (order, deadline) =>
    startMeasuring(order, deadline, { survivors, kill: (process) => void held.push(process) });
  onTestFinished(() => {
    for (const process of held) process.kill('SIGKILL');
  });
  const { broker: newBroker } = nodeOfDevice({ start });
  const broker = newBroker();
  await broker.prepare([gpu], long);
  const begun = broker.begin(gpu);
  begun.catch(() => undefined);
  const ending = performance.now();
  await broker.end([gpu]);
  expect(performance.now() - ending).toBeLessThan(1_500);
  await expect(begun).rejects.toThrow('ended: the broker has ended the session');
  const { refusals } = await newBroker().prepare([gpu]);
  expect(refusals).toEqual([{ gpu, reason: 'busy', message: expect.stringContaining('could not be killed') }]);
  for (const process of held) process.kill('SIGKILL');
  const again = async () => (await newBroker().prepare([gpu])).refusals;
  await expect.poll(again, patience).toEqual([]);
});

test('the stream to the broker, between two steps and in the middle of one', { timeout: 60_000 }, async () => {
  const server = await startNodeLinkServer();
  const gpus = new SharedDevice();
  let challenges: ProofChallenges | undefined;
  const node = await startNode(server, {
    onChallenge: (challenge) => (challenges as ProofChallenges).answer(challenge),
    onChange: (state) => challenges?.linkChanged(state),
  });
  onTestFinished(async () => {
    challenges?.stop();
    await node.stop();
    server.remove();
  });
  challenges = new ProofChallenges({ freeGpus: async () => gpus }, nodeOfDevice().log);
  const streaming = () => vi.waitUntil(() => node.link.state.phase === 'streaming', patience);
  const newBroker = () =>
    new ProofBroker((challenge) => {
      server.stream().send({ challenge });
      return vi.waitUntil(() => server.results.find(({ id }) => id === challenge.id), patience);
    });
  await streaming();
  await newBroker().prepare([gpu]);
  expect(processesOf('measure.ts')).toHaveLength(1);
  server.leave();
  await nothingLeft(gpus);

  await server.comeBack();
  await streaming();
  const broker = newBroker();
  await broker.prepare([gpu], long);
  broker.begin(gpu).catch(() => undefined);
  await soon();
  server.leave();
  await nothingLeft(gpus);
});

test('the agent', { timeout: 60_000 }, async () => {
  const node = nodeOfDevice();
  const challenges = new ProofChallenges({ freeGpus: async () => node.gpus }, node.log);
  const broker = new ProofBroker((challenge) => challenges.answer(challenge));
  await broker.prepare([gpu], long);
  const begun = broker.begin(gpu);
  begun.catch(() => undefined);
  await soon();
  challenges.stop();
  await expect(begun).rejects.toThrow('ended: the agent stops');
  await nothingLeft(node.gpus);
});

test('a GPU that nothing can compute on', async () => {
  const { broker, gpus } = nodeOfDevice();
  gpus.refuse(gpu, 'unsupported', 'no compute library shows this GPU');
  const { refusals } = await broker().prepare([gpu]);
  expect(refusals).toEqual([{ gpu, reason: 'unsupported', message: 'no compute library shows this GPU' }]);
});

test('an agent that cannot load what it needs says so, and tries again', async () => {
  const node = nodeOfDevice();
  node.gpus.refuse(gpu, 'held', 'it is sold');
  let attempts = 0;
  const freeGpus = async () => {
    if (++attempts === 1) throw new Error('no room');
    return node.gpus;
  };
  const challenges = new ProofChallenges({ freeGpus }, node.log);
  const broker = new ProofBroker((asked) => challenges.answer(asked));
  await expect(broker.prepare([gpu])).rejects.toThrow('failed: no room');
  expect((await broker.prepare([gpu])).refusals).toMatchObject([{ reason: 'held' }]);
});

test('a challenge whose stream has ended while what it needs was loaded', async () => {
  const node = nodeOfDevice();
  const loading = Promise.withResolvers<SharedDevice>();
  const challenges = new ProofChallenges({ freeGpus: () => loading.promise }, node.log);
  const prepared = new ProofBroker((asked) => challenges.answer(asked)).prepare([gpu]);
  challenges.linkChanged({ phase: 'waiting' });
  loading.resolve(node.gpus);
  await expect(prepared).rejects.toThrow('ended: the stream of the challenge has ended');
  expect(node.gpus.taken.size).toBe(0);
});
