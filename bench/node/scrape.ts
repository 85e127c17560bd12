// What a scrape of the devices' telemetry costs the agent: GPUs, each with MIG instances, over real HTTP.
//
//   node bench/node/scrape.ts [--gpus 8] [--instances 8] [--scrapes 200]
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import type { DeviceRecord } from '../../src/agent/devices/record.ts';
import { createSimulatedSource } from '../../src/agent/devices/simulated/source.ts';
import { LatestDevices } from '../../src/agent/telemetry/latest-devices.ts';
import { observeDevices } from '../../src/agent/telemetry/metrics.ts';
import { createLog } from '../../src/daemon/logger.ts';
import { startMetricsServer } from '../../src/daemon/metrics-server.ts';
import { quantile } from '../device-api/statistics.ts';

const { values: given } = parseArgs({
  options: {
    gpus: { type: 'string', default: '8' },
    instances: { type: 'string', default: '8' },
    scrapes: { type: 'string', default: '200' },
  },
});
const [gpus, instances, scrapes] = [given.gpus, given.instances, given.scrapes].map(Number) as [number, number, number];

const registry = new Registry();
const devices = new LatestDevices();
observeDevices(registry, devices, 'bench-node-0123456789');
fill();
const { log } = createLog({ daemon: 'bench', node: '', level: 'warn', format: 'text' });
const server = await startMetricsServer({ host: '127.0.0.1', port: 0, registry, log });
const url = `http://127.0.0.1:${server.port}/metrics`;
for (let warming = 0; warming < 20; warming++) await scrape();
const times: number[] = [];
let text = '';
const cpu = process.cpuUsage();
for (let done = 0; done < scrapes; done++) {
  const began = performance.now();
  text = await scrape();
  times.push(performance.now() - began);
}
const { user, system } = process.cpuUsage(cpu);
await server.close();
times.sort((a, b) => a - b);
const series = text.match(/^DCGM_/gm)?.length ?? 0;
process.stdout.write(
  `${gpus * (1 + instances)} devices, ${series} series, ${(text.length / 1024).toFixed(0)} KiB: ` +
    `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms; ` +
    `CPU ${((user + system) / 1000 / scrapes).toFixed(1)} ms a scrape, the client's included; Node ${process.version}\n`,
);

async function scrape(): Promise<string> {
  return (await fetch(url)).text();
}

/** The GPUs of a node whose simulated source has eight, again and again, each with its instances. */
function fill(): void {
  for (let gpu = 0; gpu < gpus; gpu++) {
    const source = createSimulatedSource({ profile: 'dgx-h100', nodeName: `node-${gpu}` });
    const [record, readings] = [source.read(gpu % 8), source.sample(gpu % 8)];
    const show = (shown: DeviceRecord) =>
      devices.deviceChanged({
        uuid: shown.uuid,
        condition: 'SimulatedReady',
        source: 'simulated',
        state: 'ok',
        message: '',
        record: shown,
        readings,
      });
    show(record);
    for (let instance = 0; instance < instances; instance++) {
      const uuid = `MIG-${record.uuid.slice(4, -1)}${instance}`;
      const migInstance = { gpuInstance: instance, computeInstance: 0, profile: '1g.10gb' };
      show({ ...record, uuid, parent: record.uuid, migInstance });
    }
  }
}
