// Evidence is worked out when a record changes, and told again for every device that it changes for.
import { expect, test } from 'vitest';
import type { DeviceRecord } from '../../../src/agent/devices/record.ts';
import type { DeviceView } from '../../../src/agent/devices/view.ts';
import { IdentityEvidence } from '../../../src/agent/identity/identity-evidence.ts';

function view(uuid: string, record: Partial<DeviceRecord> = {}, source = 'nvml'): DeviceView {
  const full = { index: 0, uuid, vendor: 'nvidia' as const, serial: uuid, ...record };
  return { uuid, condition: 'NVMLReady', source, state: 'ok', message: '', record: full };
}

const disagreeing = (identity: IdentityEvidence, name: string) =>
  identity.of(name).flatMap(({ check, verdict }) => (verdict === 'disagrees' ? [check] : []));

test('the same record costs nothing, and changes nothing', () => {
  const identity = new IdentityEvidence();
  const one = view('a');
  expect(identity.saw('a', one)).toEqual(['a']);
  expect(identity.saw('a', { ...one, state: 'hung' })).toEqual([]);
});

test('a twin changes the evidence of both, and its end takes it back', () => {
  const identity = new IdentityEvidence();
  identity.saw('a', view('a', { serial: '1' }));
  expect(identity.saw('b', view('b', { serial: '1' }))).toEqual(['a', 'b']);
  expect([disagreeing(identity, 'a'), disagreeing(identity, 'b')]).toEqual([['serial'], ['serial']]);
  expect(identity.gone('b')).toEqual(['a']);
  expect(disagreeing(identity, 'a')).toEqual([]);
  expect(identity.of('b')).toEqual([]);
});

test('two GPUs of one board share its serial number', () => {
  const identity = new IdentityEvidence();
  identity.saw('a', view('a', { serial: '1', model: 'NVIDIA A16' }));
  identity.saw('b', view('b', { serial: '1', model: 'NVIDIA A16' }));
  expect(disagreeing(identity, 'a')).toEqual([]);
});

test('simulated devices and MIG instances have none, and are no twins', () => {
  const identity = new IdentityEvidence();
  identity.saw('a', view('a', { serial: '1' }));
  identity.saw('s', view('s', { serial: '1' }, 'simulated'));
  identity.saw('m', view('m', { serial: '1', parent: 'a' }));
  expect([identity.of('s'), identity.of('m')]).toEqual([[], []]);
  expect(disagreeing(identity, 'a')).toEqual([]);
});
