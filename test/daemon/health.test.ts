// The one health function, case by case.
import { expect, test } from 'vitest';
import { type GpuHealth, gpuHealth, healthCause, type Polarity } from '../../src/daemon/health.ts';

/** `Ready=True Degraded=False` as conditions. */
function conditions(text: string) {
  return text
    .split(' ')
    .filter(Boolean)
    .map((entry) => {
      const [type = '', status = ''] = entry.split('=');
      return { type, status };
    });
}

test.each([
  ['', 'unknown', undefined],
  ['Ready=True', 'healthy', undefined],
  ['Ready=False', 'unhealthy', 'Ready'],
  ['Ready=Unknown', 'unknown', 'Ready'],
  ['Ready=true', 'unknown', 'Ready'],
  ['NVMLReady=True', 'unknown', undefined],
  ['NVMLReady=False', 'unhealthy', 'NVMLReady'],
  ['Ready=True NVMLReady=False', 'unhealthy', 'NVMLReady'],
  ['Ready=True NVMLReady=Unknown', 'unknown', 'NVMLReady'],
  ['Ready=True DCGMHealth=False', 'unhealthy', 'DCGMHealth'],
  ['Ready=True NVSentinelHealth=True', 'healthy', undefined],
  ['Ready=True Degraded=False', 'healthy', undefined],
  ['Ready=True Degraded=True', 'unhealthy', 'Degraded'],
  ['Ready=True ResetRequired=True', 'unhealthy', 'ResetRequired'],
  ['Ready=True HardwareFailure=True', 'unhealthy', 'HardwareFailure'],
  ['Ready=True PerformanceDegraded=True', 'unhealthy', 'PerformanceDegraded'],
  ['Ready=True Degraded=Unknown', 'unknown', 'Degraded'],
  ['Ready=True MIGEnabled=True', 'healthy', undefined],
  ['Ready=True MIGEnabled=Unknown', 'healthy', undefined],
  ['Ready=Unknown Degraded=True', 'unhealthy', 'Degraded'],
  ['Ready=Unknown HardwareFailure=True NVMLReady=False', 'unhealthy', 'HardwareFailure'],
])('%s is %s', (text, health, cause) => {
  expect(gpuHealth(conditions(text))).toBe(health);
  expect(healthCause(conditions(text), gpuHealth(conditions(text)))?.type).toBe(cause);
});

test.each<[string, string, Polarity, string]>([
  ['Ready=True Overheated=True', 'Overheated', 'bad', 'unhealthy'],
  ['Ready=True Licensed=False', 'Licensed', 'good', 'unhealthy'],
  ['Ready=True DCGMHealth=False', 'DCGMHealth', 'info', 'healthy'],
  ['Ready=True Degraded=True', 'Degraded', 'info', 'healthy'],
])('%s with %s=%s is %s', (text, type, polarity, health) => {
  expect(gpuHealth(conditions(text), new Map([[type, polarity]]))).toBe(health);
});

test.each<[string, GpuHealth, string | undefined]>([
  ['Ready=True Degraded=True', 'healthy', undefined],
  ['Ready=Unknown Overheated=True', 'unhealthy', undefined],
  ['Degraded=True Ready=Unknown', 'unknown', 'Ready'],
])('the cause of %s never contradicts that it is %s', (text, health, cause) => {
  expect(healthCause(conditions(text), health)?.type).toBe(cause);
});
