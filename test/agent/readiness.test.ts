// What the state of a source means for readiness.
import { expect, test } from 'vitest';
import { startingSource } from '../../src/agent/devices/supervisor.ts';
import type { SourceView } from '../../src/agent/devices/view.ts';
import { judgeSource } from '../../src/agent/sources.ts';
import { Readiness } from '../../src/daemon/readiness.ts';

function judged(changes: Partial<SourceView>) {
  const readiness = new Readiness();
  judgeSource(readiness, { ...startingSource('nvml'), ...changes });
  return readiness.checks()[0];
}

const message = 'device 0 cannot be identified: nvmlDeviceGetHandleByIndex: GPU is lost';

test.each([
  ['nothing was looked at', {}, 'not-ready', 'its devices have not been looked at yet'],
  ['no device could be identified', { state: 'running', unidentified: 1, message }, 'not-ready', message],
  ['the driver failed at first', { state: 'failed', message: 'gone' }, 'not-ready', 'gone'],
  ['one device of two could', { state: 'running', enumerated: true, unidentified: 1, message }, 'warning', message],
  ['all devices answered', { state: 'running', enumerated: true, devices: 2 }, 'ok', ''],
  ['the driver failed later', { state: 'failed', enumerated: true, message: 'gone' }, 'warning', 'gone'],
] as const)('%s', (_, view, state, said) => {
  expect(judged(view)).toEqual({ name: 'nvml', state, message: said });
});
