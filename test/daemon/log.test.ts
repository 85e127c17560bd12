// The log: fields, levels that follow the control, secrets that stay secret, and the text form.
import { expect, test } from 'vitest';
import { addressInUse } from '../../src/daemon/errors.ts';
import type { LogLevel } from '../../src/daemon/log-levels.ts';
import { createLog } from '../../src/daemon/logger.ts';

function capture(format: 'json' | 'text' = 'json', level: LogLevel = 'info') {
  const lines: string[] = [];
  const output = { write: (line: string) => void lines.push(line) };
  return { lines, ...createLog({ daemon: 'agent', node: 'node-1', level, format, output }) };
}

test('a line has time, level, daemon and node', () => {
  const { log, lines } = capture();
  log.info({ gpu: 'gpu-1' }, 'found');
  const record = JSON.parse(lines[0] ?? '');
  expect(record).toMatchObject({ level: 'info', daemon: 'agent', node: 'node-1', gpu: 'gpu-1', msg: 'found' });
  expect(record.time).toBe(new Date(record.time).toISOString());
});

test('a change of level reaches children made before and after', () => {
  const { log, lines, level, setLevel } = capture();
  const early = log.child({ part: 'early' });
  const nested = early.child({ part: 'nested' });
  early.debug('hidden');
  setLevel('debug');
  expect(level()).toBe('debug');
  for (const logger of [log, early, nested, log.child({ part: 'late' })]) logger.debug('shown');
  expect(lines).toHaveLength(4);
  setLevel('error');
  nested.warn('hidden');
  expect(lines).toHaveLength(4);
});

test.each([
  { token: 'hush' },
  { request: { password: 'hush' } },
  { request: { headers: { authorization: 'hush' } } },
  { apiKey: 'hush', onboardingToken: 'hush', secret: 'hush', privateKey: 'hush', credential: 'hush' },
])('no secret is logged: %j', (fields) => {
  const { log, lines } = capture();
  log.info(fields, 'called');
  expect(lines[0]).not.toContain('hush');
  expect(lines[0]).toContain('[redacted]');
});

test('an error with a code is logged with its advice and no stack, any other with its stack', () => {
  const { log, lines } = capture();
  log.error({ err: addressInUse('health', 'x:1') }, 'a');
  log.error({ err: new TypeError('fault', { cause: new Error('deeper') }) }, 'b');
  log.error({ err: 'thrown text' }, 'c');
  const [coded, fault, text] = lines.map((line) => JSON.parse(line).err);
  expect(coded).toEqual({ code: 'GPUB_ADDRESS_IN_USE', message: expect.any(String), advice: expect.any(String) });
  expect(fault).toMatchObject({ type: 'TypeError', message: 'fault', stack: expect.stringContaining('log.test.ts') });
  expect(fault.cause.message).toBe('deeper');
  expect(text).toEqual({ message: 'thrown text' });
});

test('the text form is one line, with fields after the message', () => {
  const { log, lines } = capture('text');
  log.warn({ port: 8081, path: '/a b', list: [1] }, 'odd');
  expect(lines[0]).toMatch(/^\d{4}-\S+Z WARN {2}odd port=8081 path="\/a b" list=\[1\]\n$/);
});

test('the text form shows errors below', () => {
  const { log, lines } = capture('text');
  log.error({ err: addressInUse('health', 'x:1') }, 'start failed');
  expect(lines[0]).toMatch(
    /ERROR start failed: health: x:1 is in use .* \[GPUB_ADDRESS_IN_USE\]\n {2}Stop that process/,
  );
  log.error({ err: new Error('fault') }, 'start failed');
  expect(lines[1]).toMatch(/start failed\n {2}Error: fault\n/);
});
