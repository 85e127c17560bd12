// A GPU's record: everything that a node may send can be stored, and only what counts changes its digest.
import fc from 'fast-check';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { classifiedGpu, gpuRecord, unhealthyBecause } from '../../../../src/broker/registry/ingest/gpu-record.ts';
import type { Gpu } from '../../../../src/wire/gpubroker/node/v1/node_link.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import { runs } from '../../../properties.ts';
import { gpu } from './fixture.ts';

const nothing = { product: null, formFactor: null, interconnect: null };
const digest = (
  reported: Gpu,
  classification: typeof nothing | { product: string; formFactor: null; interconnect: null } = nothing,
) => classifiedGpu(gpuRecord(reported, 'gpu'), false, () => classification).digest;

test('what moves by itself is no change', () => {
  const same = { ...gpu('gpu-a'), resourceVersion: '77' };
  const { device } = same;
  if (!device?.pci) throw new Error('no device');
  device.pci.linkWidth = 4;
  device.readings = { time: new Date(), temperatureCelsius: 80, throttleReasons: [] };
  device.processes = [{ pid: 7, kind: 1 }];
  same.conditions = [...same.conditions].reverse();
  expect(digest(same)).toBe(digest(gpu('gpu-a')));
  expect(gpuRecord(same, 'gpu').columns.attributes.pci_link).toEqual({ width: 4 });
});

test('health, conditions, clients and the product are', () => {
  const base = digest(gpu('gpu-a'));
  expect(digest(gpu('gpu-a', 'unknown'))).not.toBe(base);
  expect(digest({ ...gpu('gpu-a'), computeProcesses: 1 })).not.toBe(base);
  expect(digest({ ...gpu('gpu-a'), recommendedAction: 'ResetGPU' })).not.toBe(base);
  expect(digest(gpu('gpu-a'), { ...nothing, product: 'H100-SXM5-80GB' })).not.toBe(base);
});

test('what the driver does not report stays absent', () => {
  const bare = gpuRecord(
    { ...gpu('gpu-a'), device: { ...bareDevice, name: 'gpu-a' }, computeProcesses: undefined },
    'gpu',
  );
  const { name, uuid, health, stale, recommended_action, attributes, ...others } = bare.columns;
  expect({ name, uuid, health, stale, recommended_action, attributes }).toEqual({
    name: 'gpu-a',
    uuid: '',
    health: 'unknown',
    stale: false,
    recommended_action: '',
    attributes: {},
  });
  expect(new Set(Object.values(others))).toEqual(new Set([null]));
});

test('the reason of bad health is the condition that says so', () => {
  expect(unhealthyBecause(gpuRecord(gpu('gpu-a', 'unhealthy'), 'gpu'))).toBe('Ready is False: Answers');
});

const bareDevice = { name: '', stale: false, nvlinks: [], processes: [], evidence: [], health: 'never heard' };

test('whatever a node sends can be stored', async () => {
  const { db } = await testDatabase();
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((part) => `${part}\0`),
    fc.constantFrom('\ud800', '\udc00x', 'NaN', '', '   ', '\\u0000', "'; drop table gpus; --", 'x'.repeat(300)),
  );
  const count = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(Number.NaN, -1, 1.5, 2 ** 60));
  const device = fc.record(
    {
      uuid: text,
      serial: text,
      model: text,
      vendor: text,
      boardPartNumber: text,
      index: count,
      numaNode: count,
      multiprocessors: count,
      memory: fc.record({ totalBytes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
      pci: fc.record({ busId: text, deviceId: count }),
      mig: fc.record({ enabled: fc.boolean(), pending: fc.boolean(), instanceUuids: fc.array(text) }),
      health: text,
    },
    { requiredKeys: [] },
  );
  const time = fc.date({ noInvalidDate: false });
  const condition = fc.record({ type: text, status: text, reason: text, message: text, lastTransitionTime: time });
  await fc.assert(
    fc.asyncProperty(device, fc.array(condition, { maxLength: 4 }), async (device, conditions) => {
      const sent = { ...gpu('gpu-a'), device: { ...bareDevice, name: 'gpu-a', ...device }, conditions };
      const { columns, conditions: kept } = gpuRecord(sent, 'gpu');
      const { rows } = await sql<{ stored: unknown }>`
        select ${JSON.stringify([columns, kept])}::jsonb as stored,
          ${columns.memory_bytes}::bigint, ${columns.numa_node}::integer, ${columns.multiprocessors}::integer,
          ${kept[0]?.last_transition_at ?? null}::timestamptz
      `.execute(db);
      expect(rows[0]?.stored).toEqual([columns, kept]);
      expect(new Set(kept.map(({ type }) => type)).size).toBe(kept.length);
    }),
    runs(150, 5_000),
  );
});
