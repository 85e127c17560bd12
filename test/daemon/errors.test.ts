// Errors carry a code and advice, and a code is given out once.
import { expect, test } from 'vitest';
import { addressInUse, CodedError, defineError, messageOf } from '../../src/daemon/errors.ts';

test('an error says what happened and what to do', () => {
  const error = addressInUse('health', '127.0.0.1:8081');
  expect(error).toBeInstanceOf(CodedError);
  expect(error.code).toBe('GPUB_ADDRESS_IN_USE');
  expect(error.message).toBe('health: 127.0.0.1:8081 is in use by another process');
  expect(error.advice).toContain('127.0.0.1:8081');
});

test('a code is defined once', () => {
  expect(() =>
    defineError(
      'GPUB_ADDRESS_IN_USE',
      () => '',
      () => '',
    ),
  ).toThrow('GPUB_ADDRESS_IN_USE is defined twice');
});

test.each([
  [new Error('broken'), 'broken'],
  ['broken', 'broken'],
  [undefined, 'undefined'],
])('what %o says', (thrown, text) => {
  expect(messageOf(thrown)).toBe(text);
});
