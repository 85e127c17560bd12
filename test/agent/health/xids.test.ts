// The table of XIDs: nothing is missing, and the classes are those that were agreed on.
import { expect, test } from 'vitest';
import { classOf, findingOfXid } from '../../../src/agent/health/events.ts';
import { type XidClass, xidOf, xids } from '../../../src/agent/health/xids.ts';

const codesOf = (wanted: XidClass) => [...xids.values()].filter((xid) => xid.class === wanted).map(({ code }) => code);
const defaults = { ignored: new Set([13, 31, 43, 45, 68, 109]), fatal: new Set<number>() };

test('every code of the catalog stands there once, from 1 to 172', () => {
  expect([...xids.keys()]).toEqual(Array.from({ length: 172 }, (_, i) => i + 1));
});

test.each<[XidClass, number[]]>([
  ['application', [13, 31, 43, 45, 68, 109]],
  ['contained', [94]],
  ['read-again', [63, 154]],
  ['reset', [151, 156]],
  ['fatal', [46, 48, 62, 64, 74, 79, 95, 110, 119, 120, 136, 140, 143, 144, 145, 146, 147, 148, 149, 150, 158]],
])('the class %s has these codes, and no others', (wanted, codes) => {
  expect(codesOf(wanted)).toEqual(codes);
});

test('what makes a GPU unhealthy has a remedy', () => {
  const sick = [...xids.values()].filter((xid) => xid.class === 'fatal' || xid.class === 'reset');
  expect(sick.filter(({ action }) => !['ResetGPU', 'RebootNode', 'RestartVM'].includes(action))).toEqual([]);
});

test('every entry that departs from the bucket of the catalog says whose word it is', () => {
  const others = [...xids.values()]
    .filter(({ source }) => source !== 'catalog')
    .map(({ code, source }) => [code, source]);
  expect(others).toEqual([
    ...[13, 31, 43, 45].map((code) => [code, 'plugin']),
    [63, 'ours'],
    [68, 'plugin'],
    [94, 'ours'],
    [109, 'plugin'],
    [155, 'ours'],
    [156, 'ours'],
  ]);
});

test('the catalog says which generations know a code', () => {
  expect(xids.get(74)?.architectures).toEqual(['ampere', 'hopper']);
  expect(xids.get(144)?.architectures).toEqual(['blackwell']);
  expect(xids.get(136)?.architectures).toEqual(['hopper']);
  expect(xids.get(49)?.architectures).toEqual([]);
});

test('a code that is not in the catalog is a warning', () => {
  expect(xidOf(500).class).toBe('warning');
  expect(findingOfXid(500, defaults)).toMatchObject({ type: 'XidWarning', reason: 'Xid500', action: 'ReportIssue' });
  expect(findingOfXid(999, defaults)).toMatchObject({ type: 'XidWarning', reason: 'XidUnknown' });
});

test('ignored ones mean nothing, fatal ones win over them', () => {
  expect(findingOfXid(31, defaults)).toBeUndefined();
  expect(findingOfXid(31, { ignored: new Set(), fatal: new Set() })).toMatchObject({
    type: 'ApplicationFault',
    reason: 'Xid31',
    action: 'RestartApp',
  });
  expect(classOf(79, { ignored: new Set([79]), fatal: new Set() })).toBe('ignored');
  const fatal = { ignored: new Set([31]), fatal: new Set([31]) };
  expect(findingOfXid(31, fatal)).toMatchObject({ type: 'HardwareFailure', reason: 'Xid31', action: 'ResetGPU' });
});
