// Every XID of the table and every polled fault on its whole way: driver, library, probe process, supervisor, cache, and
// a watcher on the socket. Measured from the moment before the driver reports to the moment when the watcher has heard.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xids } from '../../src/agent/health/xids.ts';
import { type FakeAgent, startAgent, untilReady } from '../fixtures/agent.ts';
import type { WireEvent, WireGpu } from '../fixtures/node-client.ts';
import { createFakeDriver, type FakeGpu } from '../fixtures/nvml/fake-driver.ts';
import { soaking } from '../properties.ts';

/** So many that each has a few of the XIDs, and one of the polled faults. */
const gpus = 24;
const rounds = soaking ? 5 : 1;
const interval = 1_000;

/** What tells an XID in the conditions of a GPU: its type and its own part of the message. */
const typesOf = {
  fatal: 'HardwareFailure',
  reset: 'ResetRequired',
  contained: 'ApplicationFault',
  application: 'ApplicationFault',
  warning: 'XidWarning',
  'read-again': undefined,
} as const;

function startWalk(flags: readonly string[] = []) {
  const driver = createFakeDriver({ gpus });
  const agent = startAgent({ driver, flags: ['--probe-interval', '1s', '--telemetry-interval', '5s', ...flags] });
  return { agent, driver };
}

/** The latest state of every GPU as a watcher hears it. */
class Watcher {
  readonly #gpus = new Map<string, WireGpu>();
  readonly #waiting = new Set<() => void>();

  constructor(agent: FakeAgent) {
    agent.client.watch('WatchGpus').stream.on('data', ({ object }: WireEvent) => {
      this.#gpus.set(object.spec.uuid, object);
      for (const look of this.#waiting) look();
    });
  }

  /** How many milliseconds pass from `fault` until a GPU is so. */
  async time(uuid: string, isSo: (gpu: WireGpu) => boolean, fault: () => void): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const begun = performance.now();
    const look = () => {
      const gpu = this.#gpus.get(uuid);
      if (gpu && isSo(gpu)) resolve(performance.now() - begun);
    };
    this.#waiting.add(look);
    const timer = setTimeout(
      () => reject(new Error(`${uuid} is not so: ${JSON.stringify(this.#gpus.get(uuid))}`)),
      20_000,
    );
    fault();
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }
}

function says(type: string, words: string) {
  return ({ status }: WireGpu) => status.conditions.some((one) => one.type === type && one.message?.includes(words));
}

function figures(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${times.length} times)`;
}

const p99 = (times: readonly number[]) =>
  times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Infinity;

describe('XIDs', () => {
  const times: number[] = [];
  const codes = [...[...xids.keys()].filter((code) => xids.get(code)?.class !== 'read-again'), 500];

  test.each(Array.from({ length: rounds }, (_, round) => round))(
    'each becomes its condition (round %i)',
    async () => {
      // Without the default, so that the faults of applications can be seen as well.
      const { agent, driver } = startWalk(['--ignored-xids', '']);
      try {
        await untilReady(agent);
        const watcher = new Watcher(agent);
        for (const [i, code] of codes.entries()) {
          const { uuid } = driver.gpu(i % gpus);
          const found = xids.get(code)?.class ?? 'warning';
          const isSo = says(typesOf[found] ?? '', `XID ${code}:`);
          times.push(await watcher.time(uuid, isSo, () => driver.emit({ gpu: uuid, type: 8, data: code })));
        }
        const metrics = await agent.metrics();
        for (const code of codes) {
          const label = `xid="${xids.has(code) ? code : 'other'}",class="${xids.get(code)?.class ?? 'warning'}"`;
          expect(metrics).toContain(`gpubroker_xid_events_total{${label}} 1\n`);
        }
      } finally {
        await agent.remove();
        driver.remove();
      }
    },
    120_000,
  );

  test('within a second', () => {
    console.info(`from an XID in the driver to a watcher: ${figures(times)}`);
    expect(times).toHaveLength(codes.length * rounds);
    expect(p99(times)).toBeLessThan(1_000);
  });
});

describe('what is ignored, and what only asks to look again', () => {
  let agent: FakeAgent;
  beforeAll(async () => {
    agent = startAgent();
    await untilReady(agent);
  });
  afterAll(() => agent.remove());

  test('an ignored XID is counted and makes no condition', async () => {
    const { uuid } = agent.driver.gpu(0);
    for (const data of [13, 31, 43, 45, 68, 109]) agent.driver.emit({ gpu: uuid, type: 8, data });
    await expect
      .poll(() => agent.metrics(), { timeout: 5_000 })
      .toContain('gpubroker_xid_events_total{xid="109",class="ignored"} 1');
    expect(Object.keys(await agent.conditions(0)).sort()).toEqual(['NVMLReady', 'Ready']);
  });

  test.each<[number, Partial<FakeGpu>, string]>([
    [63, { remappedRows: { correctable: 1, uncorrectable: 0, pending: 1, failed: 0 } }, 'RowRemapPending'],
    [154, { fields: { '230': 1 } }, 'RecoveryReset'],
  ])('XID %i means what is then read', async (data, change, reason) => {
    const place = data === 63 ? 1 : 2;
    const gpu = agent.driver.gpu(place);
    agent.driver.emit({ gpu: gpu.uuid, type: 8, data });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await agent.condition(place, 'ResetRequired')).toBeUndefined();
    agent.driver.update(() => Object.assign(gpu, change));
    agent.driver.emit({ gpu: gpu.uuid, type: 8, data });
    await expect
      .poll(() => agent.condition(place, 'ResetRequired'), { timeout: 5_000 })
      .toMatchObject({ status: 'True', reason });
  });

  test('without health checks there is neither condition nor monitor', async () => {
    const off = startAgent({ flags: ['--health-checks', 'off'] });
    try {
      await untilReady(off);
      off.driver.emit({ gpu: off.driver.gpu(0).uuid, type: 8, data: 79 });
      await off.logged('the driver reports an event');
      off.driver.update(() => Object.assign(off.driver.gpu(1), { lost: true }));
      await expect.poll(() => off.conditions(1), { timeout: 5_000 }).toEqual({ NVMLReady: 'False', Ready: 'False' });
      expect(Object.keys(await off.conditions(0)).sort()).toEqual(['NVMLReady', 'Ready']);
      expect(await off.metrics()).toContain('device_api_server_nvml_health_monitor_running 0\n');
    } finally {
      await off.remove();
    }
  });
});

interface PolledFault {
  readonly name: string;
  readonly change: (gpu: FakeGpu) => void;
  readonly type: string;
  readonly reason: string;
  /** Intervals that it may take: what must be seen twice is told with the next sample. */
  readonly most?: number;
}

const fields = (gpu: FakeGpu, values: Record<string, number>) => Object.assign(gpu.fields, values);
const polled: PolledFault[] = [
  {
    name: 'lost without an XID',
    change: (gpu) => Object.assign(gpu, { lost: true }),
    type: 'HardwareFailure',
    reason: 'GpuLost',
  },
  {
    name: 'uncorrectable ECC errors',
    change: (gpu) => Object.assign(gpu.eccErrors ?? {}, { volatileUncorrected: 1 }),
    type: 'HardwareFailure',
    reason: 'UncorrectableEcc',
  },
  {
    name: 'a remapping that failed',
    change: (gpu) => Object.assign(gpu.remappedRows ?? {}, { failed: 1 }),
    type: 'HardwareFailure',
    reason: 'RowRemapFailed',
  },
  {
    name: 'a remapping that waits',
    change: (gpu) => Object.assign(gpu.remappedRows ?? {}, { pending: 1 }),
    type: 'ResetRequired',
    reason: 'RowRemapPending',
  },
  {
    name: 'a retired page that waits',
    change: (gpu) => Object.assign(gpu, { retiredPages: { singleBit: 0, doubleBit: 1, pending: 1 } }),
    type: 'ResetRequired',
    reason: 'PageRetirementPending',
  },
  ...['RecoveryReset', 'RecoveryReboot', 'RecoveryDrainP2p', 'RecoveryDrainAndReset', 'RecoveryImex'].map(
    (reason, i) => ({
      name: `the recovery action ${i + 1}`,
      change: (gpu: FakeGpu) => fields(gpu, { '230': i + 1 }),
      type: 'ResetRequired',
      reason,
    }),
  ),
  { name: 'heat', change: (gpu) => Object.assign(gpu, { temperature: 90 }), type: 'Degraded', reason: 'Overheating' },
  { name: 'hot memory', change: (gpu) => fields(gpu, { '82': 96 }), type: 'Degraded', reason: 'Overheating' },
  {
    name: 'clocks held down by heat',
    change: (gpu) => Object.assign(gpu, { throttleReasons: 0x40 }),
    type: 'Degraded',
    reason: 'ThermalThrottling',
    most: 6,
  },
  {
    name: 'clocks held down by the hardware',
    change: (gpu) => Object.assign(gpu, { throttleReasons: 0x88 }),
    type: 'Degraded',
    reason: 'HardwareThrottling',
    most: 6,
  },
  {
    name: 'an NVLink that goes down',
    change: (gpu) => Object.assign(gpu.nvlinks?.[5] ?? {}, { active: 0 }),
    type: 'Degraded',
    reason: 'NvlinkDown',
  },
  {
    name: 'an NVLink that recovered',
    change: (gpu) => fields(gpu, { '162': 1 }),
    type: 'Degraded',
    reason: 'NvlinkErrors',
  },
  {
    name: 'PCIe replays',
    change: (gpu) => Object.assign(gpu, { pcieReplays: 9 }),
    type: 'Degraded',
    reason: 'PcieReplays',
  },
];

describe('polled faults', () => {
  let agent: FakeAgent;
  let watcher: Watcher;
  const times: number[] = [];
  beforeAll(async () => {
    agent = startWalk().agent;
    await untilReady(agent);
    watcher = new Watcher(agent);
    // Every GPU is to have been sampled, for what grows is measured from there.
    await new Promise((resolve) => setTimeout(resolve, 2 * interval));
  }, 60_000);
  afterAll(async () => {
    await agent.remove();
    agent.driver.remove();
  });

  test.each(polled.map((fault, place) => ({ ...fault, place })))(
    '$name',
    async ({ change, type, reason, place, most = 1 }) => {
      const gpu = agent.driver.gpu(place);
      const isSo = ({ status }: WireGpu) => status.conditions.some((one) => one.type === type && one.reason === reason);
      const time = await watcher.time(gpu.uuid, isSo, () => agent.driver.update(() => change(gpu)));
      if (most === 1) times.push(time);
      // What a busy machine takes to get around to it comes on top.
      expect(time).toBeLessThan(most * interval + 800);
      const { gpu: served } = await agent.client.ok('GetGpu', { name: gpu.uuid });
      if (type !== 'Degraded') expect(served.status.recommended_action).not.toBe('');
    },
    30_000,
  );

  test('within an interval', () => {
    console.info(`from a polled fault in the driver to a watcher: ${figures(times)}`);
    expect(times).toHaveLength(polled.filter(({ most }) => most === undefined).length);
  });

  test('every one of them is counted by type and reason, and makes its GPU unhealthy; no other GPU is', async () => {
    const metrics = await agent.metrics();
    for (const { type, reason } of polled) {
      expect(metrics).toContain(`gpubroker_gpu_conditions{type="${type}",reason="${reason}",status="True"}`);
    }
    expect(metrics).toContain(`device_api_server_cache_gpus_unhealthy ${polled.length}\n`);
    expect(metrics).toContain(`device_api_server_cache_gpus_healthy ${gpus - polled.length}\n`);
  });
});
