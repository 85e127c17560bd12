// The agent joined to a broker, as an operator starts it: simulated GPUs, real TLS, a process of its own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { untilReady } from '../fixtures/agent.ts';
import { newFolder } from '../fixtures/cache-server.ts';
import { type DaemonProcess, startDaemon } from '../fixtures/daemon-process.ts';
import { type NodeLinkStandIn, startNodeLinkServer } from '../fixtures/node-link-server.ts';

let broker: NodeLinkStandIn;
const agents: DaemonProcess[] = [];
beforeEach(async () => {
  broker = await startNodeLinkServer();
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.remove();
  broker.remove();
});

const secret = 'token-that-must-not-be-shown';

function start(folder = newFolder(), token: string | undefined = `  ${secret}\n`): DaemonProcess {
  const tokenFile = join(folder, 'token');
  if (token !== undefined) writeFileSync(tokenFile, token);
  const simulated = ['--sources', 'simulated', '--simulate', 'l40s-x4', '--simulate-faults', join(folder, 'faults')];
  const often = ['--probe-interval', '200ms', '--telemetry-interval', '300ms'];
  const joined = ['--broker-url', broker.url, '--broker-ca', broker.caPath, '--onboarding-token-file', tokenFile];
  const agent = startDaemon({ folder, flags: [...simulated, ...often, ...joined] });
  agents.push(agent);
  return agent;
}

const until = (what: () => unknown) => expect.poll(what, { timeout: 15_000, interval: 50 });

test('it joins, tells of its GPUs and readings, and of a GPU that is lost', async () => {
  const agent = start();
  await until(() => broker.telemetry.length).toBeGreaterThan(1);
  const { identity } = broker.enrolments[0] ?? {};
  expect(broker.enrolments[0]?.token).toBe(secret);
  expect(identity?.sources).toEqual(['simulated']);
  expect(identity?.bootId).not.toBe('');
  await until(() => broker.streams[0]?.snapshots[0]?.gpus.length).toBe(4);
  const [gpu] = broker.streams[0]?.snapshots[0]?.gpus ?? [];
  expect(gpu?.device).toMatchObject({ vendor: 'nvidia', source: 'simulated', processes: [] });
  expect(gpu?.device?.readings).toBeUndefined();
  expect(broker.telemetry[0]?.samples[0]).toMatchObject({ utilizationPercent: expect.any(Number) });
  writeFileSync(join(agent.folder, 'faults'), '{"2": {"lost": true}}');
  await until(() => broker.changes.at(-1)?.changed?.device?.health).toBe('unhealthy');
  const metrics = await agent.metrics();
  expect(metrics).toContain('\ngpubroker_broker_connected 1\n');
  expect(metrics).toMatch(/\ngpubroker_broker_last_stored_timestamp_seconds \d/);
  expect(metrics).toMatch(/\ngpubroker_spool_bytes\{log="telemetry"\} [1-9]/);
  expect(agent.output.join('\n')).not.toContain(secret);
});

test('without its broker it serves on with a warning; a restart needs no token', async () => {
  const first = start();
  await until(() => broker.streams.length).toBe(1);
  await first.stop();
  expect(broker.streams[0]?.ended).toBe(true);
  broker.leave();
  const agent = start(first.folder, undefined);
  await untilReady(agent);
  await until(async () => (await agent.health('/readyz?verbose')).body).toMatch(/\[\+\]broker ok warning: .+/);
  expect(await agent.metrics()).toContain('\ngpubroker_broker_connected 0\n');
  expect((await agent.client.ok<{ gpu_list: { items: unknown[] } }>('ListGpus', {})).gpu_list.items).toHaveLength(4);
  await broker.comeBack();
  await until(async () => (await agent.health('/readyz?verbose')).body).toContain('[+]broker ok\n');
  expect(broker.enrolments).toHaveLength(1);
});

test('a token that is used up ends it with the reason', async () => {
  broker.behaviour.enroll = { code: status.UNAUTHENTICATED, details: 'the token is used up' };
  const agent = start();
  expect(await agent.exited).toBe(1);
  expect(agent.log.find(({ level }) => level === 'fatal')).toMatchObject({
    msg: 'cannot go on',
    err: {
      code: 'GPUB_JOIN_REFUSED',
      message: 'the broker refuses to let this node join: the token is used up',
      advice: expect.stringContaining('new onboarding token'),
    },
  });
  expect(agent.output.join('\n')).not.toContain(secret);
});

test.each([
  ['nothing', '', 'it is empty'],
  ['too much', 'x'.repeat(5_000), 'it is longer than 4096 bytes'],
  ['two words', 'two words', 'it holds more than one word'],
])('a token file with %s ends it before anything is asked', async (_, token, reason) => {
  const agent = start(newFolder(), token);
  expect(await agent.exited).toBe(1);
  expect(agent.log.find(({ level }) => level === 'fatal')).toMatchObject({
    err: { code: 'GPUB_TOKEN_UNUSABLE', message: expect.stringContaining(reason) },
  });
  expect(broker.enrolments).toEqual([]);
});

test('a file of certificates that is none is named', async () => {
  const folder = newFolder();
  const ca = join(folder, 'ca');
  writeFileSync(ca, 'rubbish');
  const flags = ['--sources', 'simulated', '--broker-url', broker.url, '--broker-ca', ca];
  const agent = startDaemon({ folder, flags });
  agents.push(agent);
  expect(await agent.exited).toBe(1);
  expect(agent.log.find(({ level }) => level === 'fatal')).toMatchObject({
    err: { code: 'GPUB_LINK_TLS_FILE_REFUSED', message: expect.stringContaining(`broker-ca: cannot use ${ca}`) },
  });
});
