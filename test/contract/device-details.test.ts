// DeviceDetails: the hardware record beside every GPU, listed, read and watched.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DeviceRecord } from '../../src/cache-server/device-details.ts';
import { type RunningCacheServer, startCacheServer } from '../fixtures/cache-server.ts';

interface WireDevice {
  name: string;
  stale: boolean;
  [field: string]: unknown;
}
interface DeviceEvent {
  type: string;
  device: WireDevice;
}

let server: RunningCacheServer;
beforeEach(async () => {
  server = await startCacheServer();
});
afterEach(() => server.remove());

const record: DeviceRecord = {
  source: 'simulated',
  vendor: 'nvidia',
  index: 0,
  uuid: 'GPU-A',
  model: 'NVIDIA H100 80GB HBM3',
  pci: { busId: '00000000:3B:00.0', deviceId: 0x233010de },
  memory: { totalBytes: 85_520_809_984n, reservedBytes: 0n },
  powerLimits: { enforcedMilliwatts: 700_000 },
  evidence: [],
  nvlinks: [{ link: 0, active: true, version: 4 }],
  ecc: { enabled: true, pending: false },
  processes: [{ pid: 4711, kind: 1, usedMemoryBytes: 1n << 34n }],
  readings: { time: new Date(1_700_000_000_000), temperatureCelsius: 0, throttleReasons: [] },
};

function create(name: string, status: object = {}): Promise<unknown> {
  return server.client.ok('CreateGpu', { gpu: { metadata: { name }, spec: { uuid: name }, status } }, 'dcgm');
}

async function get(name: string): Promise<WireDevice> {
  return (await server.client.ok<{ device: WireDevice }>('GetDevice', { name })).device;
}

async function list(): Promise<WireDevice[]> {
  return (await server.client.ok<{ devices: WireDevice[] }>('ListDevices', {})).devices;
}

describe('a record', () => {
  test('is served with every field that is known, zeros and large numbers included', async () => {
    await create('gpu-a');
    server.book.set('GPU-A', record);
    expect(await get('gpu-a')).toEqual({
      name: 'gpu-a',
      stale: false,
      health: 'unknown',
      source: 'simulated',
      vendor: 'nvidia',
      index: 0,
      uuid: 'GPU-A',
      model: 'NVIDIA H100 80GB HBM3',
      pci: { bus_id: '00000000:3B:00.0', device_id: 0x233010de },
      memory: { total_bytes: '85520809984', reserved_bytes: '0' },
      power_limits: { enforced_milliwatts: 700_000 },
      evidence: [],
      nvlinks: [{ link: 0, active: true, version: 4 }],
      ecc: { enabled: true, pending: false },
      processes: [{ pid: 4711, kind: 'KIND_COMPUTE', used_memory_bytes: String(2n ** 34n) }],
      readings: { time: { seconds: '1700000000', nanos: 0 }, temperature_celsius: 0, throttle_reasons: [] },
    });
  });

  test('has no field that is not known: absent, never zero', async () => {
    await create('gpu-a');
    server.book.set('gpu-a', { model: 'X', nvlinks: [], processes: [], evidence: [] });
    const device = await get('gpu-a');
    expect(Object.keys(device).sort()).toEqual([
      'evidence',
      'health',
      'model',
      'name',
      'nvlinks',
      'processes',
      'stale',
      'uuid',
    ]);
  });

  test('that is not there leaves the GPU listed by its name and UUID', async () => {
    await create('gpu-a');
    expect(await get('gpu-a')).toEqual({
      name: 'gpu-a',
      uuid: 'gpu-a',
      stale: false,
      health: 'unknown',
      nvlinks: [],
      processes: [],
      evidence: [],
    });
    expect(await list()).toEqual([await get('gpu-a')]);
  });

  test('that comes before its GPU is served with it', async () => {
    server.book.set('gpu-a', record);
    expect(await list()).toEqual([]);
    expect(await server.client.call('GetDevice', { name: 'gpu-a' })).toMatchObject({ code: 'NOT_FOUND' });
    await create('GPU-A');
    expect(await get('gpu-a')).toMatchObject({ name: 'gpu-a', uuid: 'GPU-A' });
  });

  test('goes with its GPU', async () => {
    await create('gpu-a');
    server.book.set('gpu-a', record);
    await server.client.ok('DeleteGpu', { name: 'gpu-a' });
    expect(await list()).toEqual([]);
    await create('gpu-a');
    expect(await get('gpu-a')).not.toHaveProperty('model');
  });
});

test('a record with a value that does not fit its field is refused, and the one before stays', async () => {
  await create('gpu-a');
  server.book.set('gpu-a', record);
  for (const wrong of [{ index: -1 }, { index: 2 ** 32 }, { memory: { totalBytes: -1n } }]) {
    expect(() => server.book.set('gpu-a', { ...record, ...wrong })).toThrow();
  }
  expect(await get('gpu-a')).toMatchObject({ index: 0, model: record.model });
  await server.client.ok('DeleteGpu', { name: 'gpu-a' });
});

test('devices are listed by name', async () => {
  for (const name of ['gpu-c', 'gpu-a', 'gpu-b']) await create(name);
  expect((await list()).map(({ name }) => name)).toEqual(['gpu-a', 'gpu-b', 'gpu-c']);
});

describe('a watch', () => {
  const shown = (events: DeviceEvent[]) => events.map(({ type, device }) => `${type} ${device.name}`);

  test('begins with every device, then has what changes, and the last record of what goes', async () => {
    await create('gpu-b');
    await create('gpu-a');
    server.book.set('gpu-a', record);
    const watching = server.client.watch<DeviceEvent>('WatchDevices');
    await watching.until(2);
    await create('gpu-c');
    server.book.set('gpu-a', { ...record, index: 1 });
    await server.client.ok('DeleteGpu', { name: 'gpu-a' });
    const events = await watching.until(5);
    expect(shown(events)).toEqual([
      'TYPE_ADDED gpu-a',
      'TYPE_ADDED gpu-b',
      'TYPE_ADDED gpu-c',
      'TYPE_MODIFIED gpu-a',
      'TYPE_DELETED gpu-a',
    ]);
    expect(events[0]?.device).toMatchObject({ index: 0, model: record.model });
    expect(events[3]?.device).toMatchObject({ index: 1 });
    expect(events[4]?.device).toMatchObject({ index: 1, model: record.model });
    watching.cancel();
  });

  test('tells when the health changes, and nothing of a change of conditions that leaves it as it is', async () => {
    await create('gpu-a');
    const watching = server.client.watch<DeviceEvent>('WatchDevices');
    await watching.until(1);
    for (const [status, reason] of [
      ['False', 'Hot'],
      ['False', 'Hotter'],
      ['True', 'Cool'],
    ]) {
      const conditions = [{ type: 'Ready', status, reason }];
      await server.client.ok('UpdateGpuStatus', { name: 'gpu-a', status: { conditions } }, 'dcgm');
    }
    await create('gpu-b');
    const events = await watching.until(4);
    expect(shown(events)).toEqual([
      'TYPE_ADDED gpu-a',
      'TYPE_MODIFIED gpu-a',
      'TYPE_MODIFIED gpu-a',
      'TYPE_ADDED gpu-b',
    ]);
    expect(events.map(({ device }) => device.health)).toEqual(['unknown', 'unhealthy', 'healthy', 'unknown']);
    watching.cancel();
  });

  test('judges health with the polarities that the node is set to', async () => {
    const polar = await startCacheServer(['--condition-polarity', 'FanFault=bad']);
    const conditions = [
      { type: 'Ready', status: 'True' },
      { type: 'FanFault', status: 'True' },
    ];
    const gpu = { metadata: { name: 'gpu-a' }, spec: { uuid: 'gpu-a' }, status: { conditions } };
    await polar.client.ok('CreateGpu', { gpu });
    const { device } = await polar.client.ok<{ device: WireDevice }>('GetDevice', { name: 'gpu-a' });
    expect(device.health).toBe('unhealthy');
    await polar.remove();
  });

  test('ends quietly when the daemon stops', async () => {
    const watching = server.client.watch<DeviceEvent>('WatchDevices');
    await create('gpu-a');
    await watching.until(1);
    await server.stop();
    expect(await watching.ended).toBe('OK');
  });
});

describe('stale', () => {
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };

  test('is true after a restart until every provider has reported again, and watchers are told', async () => {
    await create('gpu-a', status);
    const health = { conditions: [{ type: 'NVMLReady', status: 'True' }] };
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-a', status: health }, 'nvml');
    expect((await get('gpu-a')).stale).toBe(false);
    await server.stop();
    server = await startCacheServer([], server.folder);
    expect((await get('gpu-a')).stale).toBe(true);
    const watching = server.client.watch<DeviceEvent>('WatchDevices');
    await watching.until(1);
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-a', status }, 'dcgm');
    expect((await get('gpu-a')).stale).toBe(true);
    await server.client.ok('UpdateGpuStatus', { name: 'gpu-a', status: health }, 'nvml');
    expect((await get('gpu-a')).stale).toBe(false);
    const events = await watching.until(2);
    expect(events.map(({ type, device }) => [type, device.stale])).toEqual([
      ['TYPE_ADDED', true],
      ['TYPE_MODIFIED', false],
    ]);
    watching.cancel();
  });

  test('stays true where nobody reports, and the conditions turn Unknown', async () => {
    await create('gpu-a', status);
    await server.stop();
    server = await startCacheServer(['--heartbeat-interval', '100ms'], server.folder);
    const watching = server.client.watch('WatchGpus');
    const events = await watching.until(2);
    expect(events[1]?.object.status.conditions).toMatchObject([{ status: 'Unknown', reason: 'NotReconfirmed' }]);
    expect((await get('gpu-a')).stale).toBe(true);
    watching.cancel();
  });
});
