// What a broker and its nodes lose when the network, a process or the database goes: nothing that is state, in order.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Gpu } from '../../src/api/gpus.ts';
import type { Change } from '../../src/api/inventory.ts';
import { killDatabase } from '../fixtures/broker-process.ts';
import { Fleet, type Machine, truthOf } from '../fixtures/fleet.ts';

/** Rounds of telemetry come so often, in milliseconds; the broker takes none that come faster. */
const telemetryMs = 5_000;
const settled = { timeout: 60_000, interval: 250 };

let fleet: Fleet;
/** What each GPU went through as its agent saw it: by its uuid in lower case. */
const history = new Map<string, string[]>();
beforeAll(async () => {
  fleet = await Fleet.start(
    [2, 3, 4],
    ['--health-checks', 'off', '--telemetry-interval', `${telemetryMs}ms`, '--heartbeat-interval', '1s'],
  );
  await fleet.converged();
  for (const { uuid } of fleet.truth()) history.set(uuid, ['healthy']);
}, 120_000);
afterAll(() => fleet?.remove(), 60_000);

test('the network is cut: what happens meanwhile comes afterwards, in order', async () => {
  const from = new Date();
  fleet.proxy.become('refused');
  await offline();
  const machine = machineAt(0);
  for (const lost of [true, false, true]) await setLost(machine, 0, lost);
  await setLost(machineAt(1), 2, true);
  await sleep(telemetryMs);
  const until = new Date();
  fleet.proxy.become('open');
  await allIsTrue();
  await telemetryWithoutGap(from, until);
}, 180_000);

test('the network falls silent: both ends notice, and all is told afterwards', async () => {
  fleet.proxy.become('silent');
  await setLost(machineAt(0), 0, false);
  await setLost(machineAt(2), 3, true);
  await offline();
  await setLost(machineAt(2), 3, false);
  await setLost(machineAt(2), 3, true);
  fleet.proxy.become('open');
  await allIsTrue();
}, 180_000);

test('agents die by kill -9 in turn, and what changed while each was away is seen by the next', async () => {
  // A GPU that is lost before its agent starts cannot say who it is.
  await whileDead(machineAt(0), (machine) => died(machine, 1));
  await whileDead(machineAt(1), (machine) => setQuietly(machine, 2, false));
  await whileDead(machineAt(2), (machine) => setQuietly(machine, 3, false));
  await allIsTrue();
  await setLost(machineAt(0), 1, false);
  await allIsTrue();
}, 180_000);

test('an agent dies before it could tell the broker: it has kept what it knew', async () => {
  fleet.proxy.become('refused');
  const machine = machineAt(1);
  for (const lost of [true, false, true]) await setLost(machine, 1, lost);
  await whileDead(machine, () => setQuietly(machine, 1, false));
  fleet.proxy.become('open');
  await allIsTrue();
}, 180_000);

test('a GPU that was taken out while its agent was dead is gone, and one that was put in is there', async () => {
  const machine = machineAt(2);
  const taken = machine.driver.gpu(0);
  await whileDead(machine, ({ driver }) => {
    driver.update(({ gpus }) => gpus.splice(0, 1));
    passed(taken.uuid, 'gone');
  });
  await allIsTrue();
  expect(await openIncidents()).toContain(`gpu-removed ${taken.uuid.toLowerCase()}`);
  await whileDead(machine, ({ driver }) => {
    driver.update(({ gpus }) => gpus.push(taken));
    passed(taken.uuid, 'healthy');
  });
  await allIsTrue();
}, 180_000);

test('the broker dies by kill -9 in the middle of changes', async () => {
  const machine = machineAt(0);
  await setLost(machine, 0, true);
  await fleet.broker.kill();
  await setLost(machine, 0, false);
  await setLost(machine, 0, true);
  await setLost(machineAt(1), 0, false);
  await fleet.restartBroker();
  await allIsTrue();
}, 180_000);

test('PostgreSQL dies by kill -9 in the middle of changes', async () => {
  const machine = machineAt(2);
  const { broker } = fleet;
  await setLost(machine, 1, true);
  await killDatabase(broker.folder);
  await setLost(machine, 1, false);
  await setLost(machine, 1, true);
  // It has lost the lock by which it leads, and leaves the rest to whoever starts brokers.
  expect(await broker.exited).toBe(1);
  await setLost(machine, 2, true);
  await fleet.restartBroker();
  await allIsTrue();
}, 180_000);

test('in the end every GPU is well again, and no incident is open', async () => {
  for (const machine of fleet.machines) {
    for (const [place, { lost }] of machine.driver.state.gpus.entries()) if (lost) await setLost(machine, place, false);
  }
  await allIsTrue();
  expect(await openIncidents()).toEqual([]);
}, 180_000);

/** The inventory, the nodes, the incidents and the change stream, each against what truly happened. */
async function allIsTrue(): Promise<void> {
  await vi.waitFor(async () => expect(transitions(await fleet.changes())).toEqual(history), settled);
  await fleet.converged();
  const unwell = new Set(
    fleet
      .truth()
      .filter(({ health }) => health !== 'healthy')
      .map(({ node }) => node),
  );
  const statuses = fleet.machines.map(({ nodeId }) => (unwell.has(nodeId) ? 'degraded' : 'healthy'));
  await vi.waitFor(async () => expect(await fleet.statuses()).toEqual(statuses), settled);
  await vi.waitFor(async () => expect(await openIncidents()).toEqual(expectedIncidents(unwell)), settled);
  await vi.waitFor(async () => expect(folded(await fleet.changes())).toEqual(byId(await fleet.gpus())), settled);
  const seqs = (await fleet.changes()).map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
}

function expectedIncidents(unwell: ReadonlySet<string>): string[] {
  const gpus = fleet.truth().filter(({ health }) => health !== 'healthy');
  const nodes = fleet.machines.filter(({ nodeId }) => unwell.has(nodeId));
  const gone = [...history].filter(([, states]) => states.at(-1) === 'gone');
  return [
    ...gpus.map(({ uuid, health }) => `gpu-${health} ${uuid}`),
    ...nodes.map(({ hostname }) => `node-degraded ${hostname}`),
    ...gone.map(([uuid]) => `gpu-removed ${uuid}`),
  ].sort();
}

async function openIncidents(): Promise<string[]> {
  const query = { status: 'open', limit: 500 } as const;
  const { items } = await fleet.broker.admin.call('GET /incidents', { query });
  return items.map(({ kind, details }) => `${kind} ${details.gpu ?? details.hostname}`).sort();
}

/** The inventory as who has read every change has it. */
function folded(changes: readonly Change[]): Gpu[] {
  const gpus = new Map<string, Gpu>();
  for (const { kind, gpu_id, data } of changes) {
    if (gpu_id === null) continue;
    if (kind === 'gpu.removed') gpus.delete(gpu_id);
    else if (kind.startsWith('gpu.')) gpus.set(gpu_id, data as Gpu);
  }
  return byId([...gpus.values()]);
}

/** What each GPU went through as the change stream tells it. What changes but its health is left out. */
function transitions(changes: readonly Change[]): Map<string, string[]> {
  const told = new Map<string, string[]>();
  for (const { kind, data } of changes) {
    if (!kind.startsWith('gpu.')) continue;
    const { uuid, health } = truthOf(data as Gpu);
    const states = told.get(uuid) ?? [];
    const state = kind === 'gpu.removed' ? 'gone' : health;
    // Whether it counts as unknown for a moment before it counts as gone, is chance.
    if (state === 'gone' && states.at(-1) === 'unknown') states.pop();
    if (states.at(-1) !== state) states.push(state);
    told.set(uuid, states);
  }
  return told;
}

/** Rounds of every node that were taken during an outage have come, none twice. */
async function telemetryWithoutGap(from: Date, until: Date): Promise<void> {
  for (const { nodeId } of fleet.machines) {
    await vi.waitFor(async () => {
      const times = await rounds(nodeId, from, until);
      const expected = Math.floor((until.getTime() - from.getTime()) / telemetryMs);
      expect(times.length).toBeGreaterThanOrEqual(Math.max(1, expected - 1));
      expect(new Set(times).size).toBe(times.length);
    }, settled);
  }
}

async function rounds(nodeId: string, from: Date, until: Date): Promise<string[]> {
  const { http_url } = fleet.broker.endpoints;
  const query = new URLSearchParams({ from: from.toISOString(), to: until.toISOString(), resolution: 'raw' });
  const response = await fetch(`${http_url}/api/v2/telemetry/${nodeId}?${query}`, {
    headers: { authorization: `Bearer ${fleet.broker.adminKey}` },
  });
  const { metrics } = (await response.json()) as { metrics: { timestamp: string }[] };
  return metrics.map(({ timestamp }) => timestamp);
}

async function offline(): Promise<void> {
  const all = fleet.machines.map(() => 'offline');
  await vi.waitFor(async () => expect(await fleet.statuses()).toEqual(all), settled);
  expect((await fleet.inventory()).every(({ health }) => health === 'unknown')).toBe(true);
}

/** Kills an agent, changes something, and starts it again. */
async function whileDead(machine: Machine, change: (machine: Machine) => void): Promise<void> {
  await machine.agent.kill();
  change(machine);
  for (const { uuid, lost } of machine.driver.state.gpus) if (lost) passed(uuid, 'unknown');
  machine.restart();
}

/** A GPU is lost, and nobody sees it die. */
function died({ driver }: Machine, place: number): void {
  driver.update(() => {
    driver.gpu(place).lost = true;
  });
}

/** Changes a GPU, and waits until its agent has seen it. */
async function setLost(machine: Machine, place: number, lost: boolean): Promise<void> {
  setQuietly(machine, place, lost);
  const ready = lost ? 'False' : 'True';
  await vi.waitFor(async () => expect((await machine.agent.conditions(place)).Ready).toBe(ready), settled);
}

function setQuietly({ driver, unidentified }: Machine, place: number, lost: boolean): void {
  const { uuid } = driver.gpu(place);
  if (!lost) unidentified.delete(uuid);
  passed(uuid, lost ? 'unhealthy' : 'healthy');
  driver.update(() => {
    driver.gpu(place).lost = lost;
  });
}

function passed(uuid: string, state: string): void {
  const states = history.get(uuid.toLowerCase());
  if (states?.at(-1) !== state) states?.push(state);
}

function machineAt(place: number): Machine {
  const machine = fleet.machines[place];
  if (!machine) throw new RangeError(`there is no machine ${place}`);
  return machine;
}

function byId(gpus: readonly Gpu[]): Gpu[] {
  return gpus.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}
