// What an idle agent costs that looks at so many devices through NVML, and how long an event takes from the driver to
// the agent: the built program on a fake driver, which waits for events as a real one does.
//
//   node bench/node/devices.ts [--gpus 8] [--instances 0] [--seconds 60] [--events 100] [--pcie-ms 20]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startAgent } from '../../test/fixtures/agent.ts';
import { createFakeDriver, divide } from '../../test/fixtures/nvml/fake-driver.ts';
import { cpuTime, processTree } from '../device-api/processes.ts';
import { quantile } from '../device-api/statistics.ts';

const { values: given } = parseArgs({
  options: {
    gpus: { type: 'string', default: '8' },
    instances: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '60' },
    events: { type: 'string', default: '100' },
    'pcie-ms': { type: 'string', default: '20' },
  },
});
const { gpus, instances, seconds, events, 'pcie-ms': pcie } = given;
const devices = Number(gpus) * (1 + Number(instances));

execFileSync(process.execPath, ['build.ts']);
const driver = createFakeDriver({ gpus: Number(gpus) });
driver.update((state) => {
  if (Number(instances) > 0) for (const gpu of state.gpus) divide(gpu, Number(instances));
  state.delays = { nvmlDeviceGetPcieThroughput: { '*': Number(pcie) } };
});
const defaults = ['--probe-interval', '1s', '--probe-deadline', '5s', '--telemetry-interval', '5s'];
const agent = startAgent({ driver, flags: defaults });
try {
  while ((await agent.list().catch(() => undefined))?.gpus.length !== devices) await sleep(200);
  await sleep(15_000);
  const [api = 0, probe = 0] = processTree(agent.process.pid ?? 0);
  const before = [cpuTime([api]), cpuTime([probe])];
  const began = performance.now();
  await sleep(Number(seconds) * 1_000);
  const elapsed = performance.now() - began;
  const load = [cpuTime([api]), cpuTime([probe])].map((now, place) => (now - (before[place] ?? 0)) / elapsed);
  report(`${devices} devices, idle CPU, API process`, load[0], 'mCPU');
  report(`${devices} devices, idle CPU, probe`, load[1], 'mCPU');
  report(`${devices} devices, anonymous memory, API process`, anonymousMemory(api), 'MB');
  report(`${devices} devices, anonymous memory, probe`, anonymousMemory(probe), 'MB');
  const delays = await eventDelays(Number(events));
  for (const share of delays.length > 0 ? [0.5, 0.99, 1] : [])
    report(`event, driver to log, p${100 * share}`, quantile(delays, share), 'ms');
} finally {
  await agent.remove();
  driver.remove();
}

/** Each at a random moment between two looks. The log is the end of the way, in another process than the agent's. */
async function eventDelays(count: number): Promise<number[]> {
  const delays: number[] = [];
  for (let xid = 1; xid <= count; xid++) {
    await sleep(1_500 * Math.random());
    const emitted = performance.now();
    driver.emit({ gpu: driver.gpu(xid % Number(gpus)).uuid, type: 0x8, data: xid });
    while (!agent.log.some(({ kind, data }) => kind === 'xid' && data === xid)) await sleep(1);
    delays.push(performance.now() - emitted);
  }
  return delays.sort((one, other) => one - other);
}

function anonymousMemory(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/RssAnon:\s+(\d+)/)?.[1]) / 1000;
}

function report(what: string, value: number | undefined, unit: string): void {
  console.log(`${what}: ${value?.toFixed(2)} ${unit}`);
}
