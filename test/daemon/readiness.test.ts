// A daemon is ready when no check says otherwise; warnings do not count.
import { expect, test } from 'vitest';
import { Readiness } from '../../src/daemon/readiness.ts';

test('checks, reasons and warnings', () => {
  const readiness = new Readiness();
  expect(readiness.isReady).toBe(true);
  readiness.notReady('enumeration', 'not complete');
  readiness.warn('state-file', 'disk full');
  expect(readiness.isReady).toBe(false);
  expect(readiness.reasons()).toEqual(['enumeration: not complete']);
  expect(readiness.warnings()).toEqual(['state-file: disk full']);
  readiness.ok('enumeration');
  expect(readiness.isReady).toBe(true);
  expect(readiness.checks()).toEqual([
    { name: 'enumeration', state: 'ok', message: '' },
    { name: 'state-file', state: 'warning', message: 'disk full' },
  ]);
});

test('listeners hear changes only, until they leave', () => {
  const readiness = new Readiness();
  const heard: boolean[] = [];
  const leave = readiness.onChange(({ isReady }) => heard.push(isReady));
  readiness.notReady('a', 'x');
  readiness.notReady('a', 'x');
  readiness.ok('a');
  leave();
  readiness.notReady('a', 'y');
  expect(heard).toEqual([false, true]);
});
