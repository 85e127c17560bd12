// The devices' telemetry as Prometheus scrapes it: every metric from what a driver says, and nothing that it does not.
import { Registry } from 'prom-client';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DeviceReadings, DeviceRecord } from '../../../src/agent/devices/record.ts';
import type { DeviceView } from '../../../src/agent/devices/view.ts';
import { LatestDevices } from '../../../src/agent/telemetry/latest-devices.ts';
import { observeDevices } from '../../../src/agent/telemetry/metrics.ts';

const MIB = 2 ** 20;
const uuid = 'GPU-1';
const record: DeviceRecord = {
  index: 3,
  uuid,
  vendor: 'nvidia',
  model: 'NVIDIA H100',
  memory: { totalBytes: 80_000 * MIB, reservedBytes: 600 * MIB },
};
const readings: DeviceReadings = {
  timeMs: 1_700_000_000_000,
  utilizationPercent: 81,
  memoryUtilizationPercent: 42,
  encoderPercent: 5,
  decoderPercent: 6,
  memoryUsedBytes: 1_000 * MIB,
  temperatureCelsius: 66,
  memoryTemperatureCelsius: 78,
  fanPercent: 33,
  powerMilliwatts: 612_500,
  energyMillijoules: 123_456_789,
  smMhz: 1_755,
  memoryMhz: 2_619,
  throttleReasons: ['power-cap', 'hardware-thermal'],
  recoveryAction: 'drain-and-reset',
  eccErrors: { volatileCorrected: 1, volatileUncorrected: 2, aggregateCorrected: 3, aggregateUncorrected: 4 },
  retiredPages: { singleBit: 5, doubleBit: 6, pending: true },
  remappedRows: { correctable: 7, uncorrectable: 8, pending: true, failed: false },
  pcieTxBytesPerSecond: 9_000_000,
  pcieRxBytesPerSecond: 8_000_000,
  pcieReplays: 9,
  nvlinkTxBytes: 10_000_000_000,
  nvlinkRxBytes: 11_000_000_000,
  nvlinkErrors: { crc: 10, replay: 11, recovery: 12 },
};

/** What all of that is as metrics: type and value. */
const expected: Record<string, [type: string, value: number]> = {
  GPU_UTIL: ['gauge', 81],
  MEM_COPY_UTIL: ['gauge', 42],
  ENC_UTIL: ['gauge', 5],
  DEC_UTIL: ['gauge', 6],
  FB_TOTAL: ['gauge', 80_000],
  FB_RESERVED: ['gauge', 600],
  FB_USED: ['gauge', 1_000],
  FB_FREE: ['gauge', 78_400],
  GPU_TEMP: ['gauge', 66],
  MEMORY_TEMP: ['gauge', 78],
  FAN_SPEED: ['gauge', 33],
  POWER_USAGE: ['gauge', 612.5],
  TOTAL_ENERGY_CONSUMPTION: ['counter', 123_456_789],
  SM_CLOCK: ['gauge', 1_755],
  MEM_CLOCK: ['gauge', 2_619],
  CLOCKS_EVENT_REASONS: ['gauge', 0x44],
  CLOCK_THROTTLE_REASONS: ['gauge', 0x44],
  XID_ERRORS: ['gauge', 0],
  GET_GPU_RECOVERY_ACTION: ['gauge', 4],
  ECC_SBE_VOL_TOTAL: ['counter', 1],
  ECC_DBE_VOL_TOTAL: ['counter', 2],
  ECC_SBE_AGG_TOTAL: ['counter', 3],
  ECC_DBE_AGG_TOTAL: ['counter', 4],
  RETIRED_SBE: ['counter', 5],
  RETIRED_DBE: ['counter', 6],
  RETIRED_PENDING: ['gauge', 1],
  CORRECTABLE_REMAPPED_ROWS: ['counter', 7],
  UNCORRECTABLE_REMAPPED_ROWS: ['counter', 8],
  ROW_REMAP_PENDING: ['gauge', 1],
  ROW_REMAP_FAILURE: ['gauge', 0],
  PCIE_TX_THROUGHPUT: ['gauge', 9_000],
  PCIE_RX_THROUGHPUT: ['gauge', 8_000],
  PCIE_REPLAY_COUNTER: ['counter', 9],
  NVLINK_COUNT_TX_BYTES: ['counter', 10_000_000_000],
  NVLINK_COUNT_RX_BYTES: ['counter', 11_000_000_000],
  NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL: ['counter', 10],
  NVLINK_REPLAY_ERROR_COUNT_TOTAL: ['counter', 11],
  NVLINK_RECOVERY_ERROR_COUNT_TOTAL: ['counter', 12],
};

let registry: Registry;
let devices: LatestDevices;
beforeEach(() => {
  registry = new Registry();
  devices = new LatestDevices();
  observeDevices(registry, devices, 'node-1');
});

function view(changes: Partial<DeviceView> = {}): DeviceView {
  return { uuid, condition: 'NVMLReady', source: 'nvml', state: 'ok', message: '', record, readings, ...changes };
}

/** The lines of a scrape: name without its prefix, labels, value. */
async function scraped(): Promise<{ name: string; labels: string; value: number }[]> {
  const lines = (await registry.metrics()).matchAll(/^DCGM_FI_DEV_(\w+)\{(.*)\} (\S+)$/gm);
  return [...lines].map(([, name = '', labels = '', value]) => ({ name, labels, value: Number(value) }));
}

async function values(labels = ''): Promise<Record<string, number>> {
  const lines = (await scraped()).filter((line) => line.labels.includes(labels));
  return Object.fromEntries(lines.map(({ name, value }) => [name, value]));
}

test('every metric has the name, type and unit of DCGM', async () => {
  devices.deviceChanged(view());
  const types = Object.fromEntries(
    [...(await registry.metrics()).matchAll(/^# TYPE DCGM_FI_DEV_(\w+) (\w+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]),
  );
  const found = Object.fromEntries((await scraped()).map(({ name, value }) => [name, [types[name], value]]));
  expect(found).toEqual(expected);
  expect(Object.keys(types).sort()).toEqual([...Object.keys(expected), 'NVLINK_BANDWIDTH_TOTAL'].sort());
});

test('a series has its labels, and those of dcgm-exporter beside them', async () => {
  devices.deviceChanged(view());
  const labels = new Set((await scraped()).map((line) => line.labels));
  expect([...labels]).toEqual([
    'uuid="GPU-1",index="3",model="NVIDIA H100",modelName="NVIDIA H100",node="node-1",Hostname="node-1",UUID="GPU-1",gpu="3"',
  ]);
});

test('a MIG instance has series of its own, which name its GPU in the words of dcgm-exporter', async () => {
  devices.deviceChanged(view());
  const migInstance = { gpuInstance: 9, computeInstance: 0, profile: '1g.10gb' };
  const instance: DeviceRecord = { index: 100, uuid: 'MIG-1', vendor: 'nvidia', parent: uuid, migInstance };
  devices.deviceChanged(view({ uuid: 'MIG-1', record: instance, readings: { timeMs: 1, memoryUsedBytes: 5 * MIB } }));
  const mine = (await scraped()).filter(({ labels }) => labels.includes('uuid="MIG-1"'));
  expect(mine.map(({ name }) => name).sort()).toEqual(['FB_USED', 'XID_ERRORS']);
  expect(mine[0]?.labels).toBe(
    'uuid="MIG-1",index="100",node="node-1",Hostname="node-1",UUID="GPU-1",gpu="3",mig="1g.10gb",GPU_I_ID="9",GPU_I_PROFILE="1g.10gb"',
  );
});

test('what the driver does not say has no series', async () => {
  const { memory: _, ...bare } = record;
  devices.deviceChanged(view({ record: { ...bare, vendor: 'amd' }, readings: { timeMs: 1, graphicsMhz: 2_100 } }));
  expect(await values()).toEqual({ SM_CLOCK: 2_100 });
});

test('a series shows what was read last', async () => {
  devices.deviceChanged(view());
  devices.deviceChanged(view({ readings: { ...readings, temperatureCelsius: 70 } }));
  expect((await values()).GPU_TEMP).toBe(70);
});

test('a device that does not answer keeps its last XID alone, and has the rest again when it answers', async () => {
  devices.deviceChanged(view());
  devices.eventReported({ uuid, kind: 'xid', data: 79 });
  devices.deviceChanged(view({ state: 'lost', message: 'fallen off the bus' }));
  expect(await values()).toEqual({ XID_ERRORS: 79 });
  devices.deviceChanged(view());
  expect((await values()).GPU_TEMP).toBe(66);
});

test('a device that is gone leaves no series', async () => {
  devices.deviceChanged(view());
  expect((await scraped()).length).toBeGreaterThan(30);
  devices.deviceRemoved(uuid);
  expect(await scraped()).toEqual([]);
});

describe('the bandwidth of NVLink', () => {
  const later = (seconds: number, sent: number) =>
    view({
      readings: {
        ...readings,
        timeMs: readings.timeMs + seconds * 1000,
        nvlinkTxBytes: (readings.nvlinkTxBytes ?? 0) + sent,
      },
    });

  test('is what the counters say of the time between two readings', async () => {
    devices.deviceChanged(view());
    expect(await values()).not.toHaveProperty('NVLINK_BANDWIDTH_TOTAL');
    devices.deviceChanged(later(5, 2_000_000_000));
    expect((await values()).NVLINK_BANDWIDTH_TOTAL).toBe(400);
  });

  test('stays when the device is told of again without new readings', async () => {
    devices.deviceChanged(view());
    devices.deviceChanged(later(5, 2_000_000_000));
    devices.deviceChanged(later(5, 2_000_000_000));
    expect((await values()).NVLINK_BANDWIDTH_TOTAL).toBe(400);
  });

  test('is not known when the counters began anew', async () => {
    devices.deviceChanged(view());
    devices.deviceChanged(later(5, -1_000_000_000));
    expect(await values()).not.toHaveProperty('NVLINK_BANDWIDTH_TOTAL');
  });
});

describe('the last XID', () => {
  const instance = (name: string, gpuInstance: number): DeviceView =>
    view({
      uuid: name,
      record: { index: 100, uuid: name, vendor: 'nvidia', parent: uuid, migInstance: { gpuInstance } },
    });
  const xids = async () =>
    Object.fromEntries(
      (await scraped())
        .filter(({ name }) => name === 'XID_ERRORS')
        .map(({ labels, value }) => [/uuid="(.*?)"/.exec(labels)?.[1], value]),
    );

  beforeEach(() => {
    for (const one of [view(), instance('MIG-1', 1), instance('MIG-2', 2)]) devices.deviceChanged(one);
  });

  test('of a GPU is that of the GPU alone', async () => {
    devices.eventReported({ uuid, kind: 'xid', data: 79 });
    expect(await xids()).toEqual({ 'GPU-1': 79, 'MIG-1': 0, 'MIG-2': 0 });
  });

  test('of a MIG instance is that of the instance and of its GPU', async () => {
    devices.eventReported({ uuid, kind: 'xid', data: 94, gpuInstance: 2, computeInstance: 0 });
    expect(await xids()).toEqual({ 'GPU-1': 94, 'MIG-1': 0, 'MIG-2': 0 });
    devices.deviceChanged(
      view({
        uuid: 'MIG-2',
        record: {
          index: 100,
          uuid: 'MIG-2',
          vendor: 'nvidia',
          parent: uuid,
          migInstance: { gpuInstance: 2, computeInstance: 0 },
        },
      }),
    );
    devices.eventReported({ uuid, kind: 'xid', data: 94, gpuInstance: 2, computeInstance: 0 });
    expect(await xids()).toEqual({ 'GPU-1': 94, 'MIG-1': 0, 'MIG-2': 94 });
  });

  test('is not moved by events of another kind, nor of nobody', async () => {
    devices.eventReported({ uuid, kind: 'double-bit-ecc', data: 1 });
    devices.eventReported({ kind: 'xid', data: 79 });
    expect(await xids()).toEqual({ 'GPU-1': 0, 'MIG-1': 0, 'MIG-2': 0 });
  });
});
