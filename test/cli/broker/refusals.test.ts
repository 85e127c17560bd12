// What a command says, and with which exit code it ends, when the broker does not do what it was asked.
import { expect, test } from 'vitest';
import { newId } from '../../../src/broker/ids.ts';
import { emptyHome, sharedBroker, testBroker } from './broker.ts';
import { addFleet, type Fleet } from './supply.ts';

let fleet: Fleet;
const broker = sharedBroker(async (served) => {
  fleet = await addFleet(served);
});

const ofAThing = [
  ['providers', 'get'],
  ['providers', 'delete'],
  ['clusters', 'get'],
  ['clusters', 'delete'],
  ['nodes', 'get'],
  ['nodes', 'cordon'],
  ['nodes', 'token'],
  ['nodes', 'pull'],
  ['nodes', 'delete'],
  ['tokens', 'list'],
  ['tokens', 'create'],
  ['gpus', 'show'],
  ['pools', 'get'],
  ['pools', 'gpus'],
  ['pools', 'delete'],
  ['incidents', 'get'],
  ['incidents', 'acknowledge'],
  ['alerts', 'get'],
  ['alerts', 'get-rule'],
  ['alerts', 'delete-rule'],
  ['alerts', 'mute-rule'],
  ['keys', 'revoke'],
  ['telemetry'],
];

test.each(ofAThing.map((words) => [words.join(' '), words] as const))('%s: no such id', async (_name, words) => {
  const id = newId();
  const { code, stdout, stderr } = await broker().as('provider', ...words, id);
  expect([code, stdout]).toEqual([3, '']);
  expect(stderr).toMatch(new RegExp(`^gpubroker: .*${id} \\[GPUB_NOT_FOUND\\]\\n {2}See that the id is right`));
});

test.each(ofAThing.map((words) => [words.join(' '), words] as const))('%s: no id at all', async (_name, words) => {
  const { code, stdout, stderr } = await broker().as('provider', ...words, 'rack-1');
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^gpubroker: .*rack-1.* \[GPUB_INVALID\]\n {2}Give .+\n$/);
});

test("another's things are not there", async () => {
  const { addTestPrincipal } = await import('../../fixtures/broker-http.ts');
  const stranger = await addTestPrincipal(broker().database.db, 'provider');
  expect(await broker().as(stranger, 'nodes', 'get', fleet.hopper.nodeId)).toMatchObject({ code: 3, stdout: '' });
});

test.each([
  [['clusters', 'create', 'x'], "required option '--provider <id>' not specified"],
  [['nodes', 'add', 'x'], "required option '--cluster <id>' not specified"],
  [['incidents', 'close', 'x'], "required option '--reason <text>' not specified"],
  [['providers', 'suspend', 'x'], "required option '--reason <text>' not specified"],
  [['users', 'create', 'ada@example.org'], "required option '--role <role>' not specified"],
  [['nodes', 'get'], "missing required argument 'id'"],
  [['pools', 'add', 'x'], "missing required argument 'gpus'"],
  [['nodes', 'nonsense'], "unknown command 'nonsense'"],
  [['nodes', 'list', '--nonsense'], "unknown option '--nonsense'"],
  [['nodes', 'list', '--status', 'asleep'], 'Allowed choices are healthy, degraded, offline'],
  [['nodes', 'list', '--timeout', '5'], 'Give a duration with its unit'],
  [['tokens', 'create', 'x', '--lifetime', '999999999h'], 'ten years at most'],
  [['audit', 'list', '--from', 'yesterday'], 'Give a time like'],
  [['nodes', 'list', '--broker', 'broker.example'], '--broker: broker.example is no URL'],
  [['nodes', 'list', '--broker', 'https://key@broker.example'], '--broker: a URL holds no user name'],
  [['nodes', 'list', '--api-key-file', '/nonexistent'], '--api-key-file: ENOENT'],
  [['nodes', 'list', '--ca', '/nonexistent'], '--ca: ENOENT'],
])('%j is wrong usage', async (words, said) => {
  const { code, stdout, stderr } = await broker().as('provider', ...words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(said);
});

test('a name that is taken is told with its field', async () => {
  const { as } = broker();
  const create = ['clusters', 'create', 'one', '--provider', fleet.hopper.providerId, '--region', 'eu-1'];
  const { code, stderr } = await as('provider', ...create);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^gpubroker: body\.name: "one" is taken \[GPUB_NAME_TAKEN\]\n {2}Give a name/);
});

test('what is not allowed is told with its field and what is', async () => {
  const create = ['clusters', 'create', 'two', '--provider', fleet.hopper.providerId, '--region', 'EU 1'];
  const { code, stderr } = await broker().as('provider', ...create);
  expect([code, stderr]).toEqual([2, expect.stringContaining('body.region')]);
  expect(stderr).toMatch(/\n {2}Give .+\n$/);
});

test('a role that may not is told where to look', async () => {
  const { code, stderr } = await broker().as('consumer', 'nodes', 'list');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^gpubroker: .*for the roles admin, provider \[GPUB_FORBIDDEN\]\n {2}.*`gpubroker whoami`/);
});

test('a key that is no good is told to sign in', async () => {
  const stranger = { ...broker().people.provider, key: `${broker().people.provider.key}x` };
  const { code, stdout, stderr } = await broker().as(stranger, 'nodes', 'list');
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/\[GPUB_UNAUTHENTICATED\]\n {2}Sign in again: `gpubroker login`\.\n$/);
  expect(stderr).not.toContain(stranger.key);
});

test('nobody who is signed in is told how to sign in', async () => {
  emptyHome();
  const { url, as } = broker();
  expect(await as('nobody', 'nodes', 'list')).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining(
      `not signed in to ${url} [GPUB_NOT_SIGNED_IN]\n  Run \`gpubroker login --broker ${url}\``,
    ),
  });
});

test('a broker that is away', async () => {
  const { code, stdout, stderr } = await broker().as('provider', 'nodes', 'list', '--broker', 'http://127.0.0.1:1');
  expect([code, stdout]).toEqual([4, '']);
  expect(stderr).toMatch(
    /^gpubroker: no answer from http:\/\/127\.0\.0\.1:1: .+ \[GPUB_BROKER_UNREACHABLE\]\n {2}See that/,
  );
});

test('too many requests: when it may be tried again', async () => {
  const served = await testBroker({ limits: { caller: 1 } });
  expect((await served.as('provider', 'nodes', 'list')).code).toBe(0);
  const { code, stderr } = await served.as('provider', 'nodes', 'list');
  expect(code).toBe(1);
  expect(stderr).toMatch(/\[GPUB_[A-Z_]+\]\n {2}Try again in \d+ s\.\n$/);
});

test('a failure of the broker is told with the request that the operator can look for', async () => {
  const served = await testBroker();
  await served.database.pool.query('alter table incidents rename to elsewhere');
  const { code, stderr } = await served.as('provider', 'incidents', 'list');
  expect(code).toBe(1);
  expect(stderr).toMatch(/\[GPUB_INTERNAL\]\n {2}The broker calls it request \S+\.\n$/);
  expect(stderr).not.toContain('incidents');
});
