// NVLink errors and traffic are counted over all links, in whichever fields the generation of the GPU has them.
import { expect, test } from 'vitest';
import type { FakeField } from '../../../fixtures/nvml/fake-driver.ts';
import { openSource } from './open-source.ts';

function withFields(fields: Record<string, FakeField>) {
  const { driver, source } = openSource();
  driver.update(() => Object.assign(driver.gpu(0), { fields }));
  return source;
}

const errorsOf = (fields: Record<string, FakeField>) => withFields(fields).check(0).health?.nvlinkErrors;

test('Hopper counts errors on each link', () => {
  const fields = { '91': 3, '163.0': 5, '163.1': 0, '163.2': 7, '161.1': 2, '161.0': 0, '161.2': 0, '162': 1 };
  expect(errorsOf(fields)).toEqual({ crc: 12, replay: 2, recovery: 3 });
});

test('Ampere counts errors over all links', () => {
  expect(errorsOf({ '91': 12, '38': 3, '45': 4, '52': 5, '59': 6 })).toEqual({ crc: 7, replay: 5, recovery: 6 });
});

test('Blackwell counts recoveries of each link', () => {
  expect(errorsOf({ '91': 2, '215.0': 1, '215.1': 8 })).toEqual({ recovery: 9 });
});

test('a count is absent when one of its links fails, for without it the sum would seem to shrink', () => {
  expect(errorsOf({ '91': 2, '163.0': 5, '163.1': { code: 999 }, '161': 0 })).toEqual({ replay: 0 });
});

test('a link that is not supported takes no other with it', () => {
  expect(errorsOf({ '91': 3, '163.0': 5, '163.2': 1 })).toEqual({ crc: 6 });
});

test.each([{}, { '91': 0 }, { '91': 4 }])('a GPU that counts none has none: %j', (fields) => {
  expect(errorsOf(fields)).toBeUndefined();
});

test('traffic up to Hopper is counted over all links, in KiB', () => {
  const all = 0xffffffff;
  const readings = withFields({ [`138.${all}`]: 10, [`139.${all}`]: 20 }).sample(0);
  expect(readings).toMatchObject({ nvlinkTxBytes: 10_240, nvlinkRxBytes: 20_480 });
});

test('traffic of Blackwell is counted on each link, in bytes', () => {
  const readings = withFields({ '91': 2, '202.0': 10, '202.1': 20, '204.0': 1, '204.1': 2 }).sample(0);
  expect(readings).toMatchObject({ nvlinkTxBytes: 30, nvlinkRxBytes: 3 });
});

test('a GPU without NVLink has no traffic', () => {
  const readings = withFields({}).sample(0);
  expect(readings).not.toHaveProperty('nvlinkTxBytes');
  expect(readings).not.toHaveProperty('nvlinkRxBytes');
});
