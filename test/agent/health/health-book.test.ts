// Whom an event concerns, for how long what only informs is shown, and what is remembered.
import { expect, test } from 'vitest';
import { type LookChanges, newBook } from './looks.ts';

const instance = (uuid: string, gpuInstance: number, computeInstance: number): LookChanges => ({
  uuid,
  record: { parent: 'GPU-A', migInstance: { gpuInstance, computeInstance } },
  readings: { recoveryAction: undefined },
});
const parent: LookChanges = { record: { mig: { enabled: true, pending: true, instanceUuids: ['MIG-1', 'MIG-2'] } } };

/** A GPU with three instances, two of them in one GPU instance. */
function migNode() {
  const node = newBook();
  const all = [parent, instance('MIG-1', 1, 0), instance('MIG-2', 1, 1), instance('MIG-3', 2, 0)];
  const lookAtAll = (after = 5_000) => {
    for (const [i, one] of all.entries()) node.look({ ...one, after: i === 0 ? after : 0 });
  };
  const foundOn = () => ['GPU-A', 'MIG-1', 'MIG-2', 'MIG-3'].map((uuid) => node.found(uuid).join());
  lookAtAll();
  return { ...node, lookAtAll, foundOn };
}

test('a GPU in MIG mode says so, its instances do not', () => {
  expect(migNode().foundOn()).toEqual(['MIGEnabled/MigModeOn', '', '', '']);
});

test.each<[string, object, string[]]>([
  ['a compute instance hits it alone', { gpuInstance: 1, computeInstance: 1 }, ['', '', 'HardwareFailure/Xid48', '']],
  ['a GPU instance hits all of it', { gpuInstance: 1 }, ['', 'HardwareFailure/Xid48', 'HardwareFailure/Xid48', '']],
  ['the whole GPU hits all instances', {}, Array.from({ length: 4 }, () => 'HardwareFailure/Xid48')],
  [
    'an instance that is not known hits the whole GPU',
    { gpuInstance: 9 },
    Array.from({ length: 4 }, () => 'HardwareFailure/Xid48'),
  ],
])('an XID that names %s', (_, place, expected) => {
  const { xid, foundOn } = migNode();
  const concerned = xid(48, { uuid: 'GPU-A', ...place });
  const found = foundOn().map((one) => one.replace(/,?MIGEnabled\/MigModeOn/, ''));
  expect(found).toEqual(expected);
  const names = ['gpu-a', 'mig-1', 'mig-2', 'mig-3'];
  expect(new Set(concerned)).toEqual(new Set(names.filter((_name, i) => expected[i] !== '')));
});

test('an instance heals by the word of its GPU, and by the sight of its reset', () => {
  const node = migNode();
  node.xid(48, { uuid: 'GPU-A', gpuInstance: 2 });
  for (let i = 0; i < 14; i += 1) node.lookAtAll();
  expect(node.foundOn()[3]).toBe('');
  node.xid(79, { uuid: 'GPU-A', gpuInstance: 2 });
  for (let i = 0; i < 60; i += 1) node.lookAtAll();
  expect(node.foundOn()[3]).toBe('HardwareFailure/Xid79');
  node.look({ ...parent, state: 'reset-required', readings: null });
  for (let i = 0; i < 60; i += 1) node.lookAtAll();
  expect(node.foundOn()[3]).toBe('');
});

test('a reset that is declared of a GPU is one of the instances that failed', () => {
  const node = migNode();
  node.xid(79, { uuid: 'GPU-A', gpuInstance: 2 });
  for (let i = 0; i < 60; i += 1) node.lookAtAll();
  expect(node.foundOn()[3]).toBe('HardwareFailure/Xid79');
  expect(node.book.declareReset('GPU-A')?.concerned).toContain('mig-3');
  for (let i = 0; i < 14; i += 1) node.lookAtAll();
  expect(node.foundOn()[3]).toBe('');
});

test('an event that names no device concerns all of its source', () => {
  const { book, look, found } = newBook();
  look({ uuid: 'GPU-A' });
  look({ uuid: 'GPU-B' });
  book.report('nvml', { kind: 'xid', data: 48 });
  expect([found('GPU-A'), found('GPU-B')]).toEqual([['HardwareFailure/Xid48'], ['HardwareFailure/Xid48']]);
  book.report('amd', { kind: 'unavailable', data: 0 });
  expect(found('GPU-A')).toEqual(['HardwareFailure/Xid48']);
});

test('an event that comes before its device is known is not forgotten', () => {
  const { look, found, xid } = newBook();
  xid(48);
  look();
  expect(found()).toEqual(['HardwareFailure/Xid48']);
});

test('what is gone does not heal by being away', () => {
  const { book, look, found, xid } = newBook();
  look();
  xid(48);
  book.remove('GPU-A');
  look({ after: 600_000 });
  expect(found()).toEqual(['HardwareFailure/Xid48']);
});

test('a driver that was loaded anew resets also what it did not show meanwhile', () => {
  const { book, look, found } = newBook();
  const silent = { recoveryAction: undefined };
  look({ readings: silent });
  look({ uuid: 'GPU-B', readings: silent });
  book.unshown('GPU-A');
  book.remove('GPU-A');
  look({ uuid: 'GPU-B', state: 'driver-gone', readings: null });
  look({ uuid: 'GPU-B', readings: silent });
  for (let i = 0; i < 13; i += 1) look({ readings: silent });
  expect(found()).toEqual(['HardwareFailure/NotEnumerated']);
  look({ readings: silent });
  look({ readings: silent });
  expect(found()).toEqual([]);
});

test('a fault of an application is told for ten minutes, a warning for an hour', () => {
  const { look, found, xid } = newBook();
  look();
  xid(94);
  xid(92);
  expect(found()).toEqual(['ApplicationFault/Xid94', 'XidWarning/Xid92']);
  look({ after: 10 * 60_000 });
  expect(found()).toEqual(['XidWarning/Xid92']);
  look({ after: 50 * 60_000 });
  expect(found()).toEqual([]);
});

test('an ignored XID is counted, and no more; the others by their class', () => {
  const { found, xid, xids } = newBook();
  for (const code of [31, 63, 79]) xid(code);
  expect(found()).toEqual(['HardwareFailure/Xid79']);
  expect(xids).toEqual([
    [31, 'ignored'],
    [63, 'read-again'],
    [79, 'fatal'],
  ]);
});

test.each([
  ['before', true],
  ['after', false],
])('uncorrectable errors that are counted just %s a contained error are that error', (_, first) => {
  const { book, look, found, xid } = newBook();
  const errors = (volatileUncorrected: number) => look({ readings: { eccErrors: { volatileUncorrected } } });
  errors(0);
  if (first) errors(1);
  else xid(94);
  if (first) xid(94);
  else errors(1);
  book.report('nvml', { uuid: 'GPU-A', kind: 'double-bit-ecc', data: 0 });
  expect(found()).toEqual(['ApplicationFault/Xid94']);
  for (let i = 0; i < 7; i += 1) errors(1);
  errors(2);
  expect(found()).toContain('HardwareFailure/UncorrectableEcc');
});

test('the second witness of an XID is no news, a second XID is', () => {
  const { book, clock, xids } = newBook();
  const event = { uuid: 'GPU-A', kind: 'xid', data: 48 } as const;
  book.report('nvml', event);
  book.report('nvml', event, 'kernel log');
  book.report('nvml', event);
  expect(xids).toHaveLength(2);
  clock.now += 10_001;
  book.report('nvml', { ...event, uuid: 'gpu-a' }, 'kernel log');
  expect(xids).toHaveLength(3);
});
