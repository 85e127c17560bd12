// `gpubroker bench` and `gpubroker proof`: tables for people, JSON for programs, and what is wrong said so.
import { expect, test } from 'vitest';
import { testWith } from '../capabilities.ts';
import { command } from './command.ts';

const testOnDevice = testWith('opencl');

testOnDevice('bench devices lists them', { timeout: 60_000 }, async () => {
  const { code, stdout } = await command('bench', 'devices');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^DEVICE +NAME +BACKEND +MEMORY +UNITS +DRIVER\n0 /);
  const { devices } = JSON.parse((await command('bench', 'devices', '--json')).stdout);
  expect(devices[0]).toMatchObject({ device: 0, backend: 'opencl' });
});

testOnDevice('bench run --device measures what is asked for', { timeout: 60_000 }, async () => {
  const only = ['bench', 'run', '--device', '0', '--effort', 'quick', '--only', 'fp32'];
  const { code, stdout } = await command(...only);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^BENCHMARK +MEDIAN +SPREAD +SAMPLES\nfp32 +[\d.]+ TFLOP\/s +[\d.]+–[\d.]+ +3\n/);
  const { info, results } = JSON.parse((await command(...only, '--json')).stdout);
  expect(info.backend).toBe('opencl');
  expect(results).toMatchObject([{ benchmark: 'fp32', unit: 'TFLOP/s' }]);
});

testOnDevice('proof self-test does the work and accepts it', { timeout: 60_000 }, async () => {
  const { code, stdout } = await command('proof', 'self-test', '--size', '256', '--json');
  expect(code).toBe(0);
  const proof = JSON.parse(stdout);
  expect(proof).toMatchObject({ size: 256, rounds: 3, rows: 48, accepted: true });
  expect(proof.deviceMs).toBeGreaterThan(0);
  // 48 rows, nearly all with the one before, of 1 KiB each.
  expect(proof.bytes).toBeGreaterThan(48 * 1_024);
});

testOnDevice('a device that is not there is said so', { timeout: 60_000 }, async () => {
  const { code, stderr } = await command('bench', 'run', '--device', '99');
  expect(code).toBe(1);
  expect(stderr).toContain('there is no device 99');
  expect(stderr).toContain('GPUB_MEASUREMENT_FAILED');
});

test.each([
  [['bench', 'run', '--only', 'fp32,speed'], 'there is no benchmark "speed"; there are fp32, '],
  [['bench', 'run', '--effort', 'heroic'], 'quick, normal, thorough'],
  [['bench', 'run', '--device', 'one'], 'Give a whole number.'],
  [['proof', 'self-test', '--size', '100'], '--size: 100 is not allowed; a multiple of 128 from 128 to 65536 is'],
  [['proof', 'self-test', '--rounds', '0'], '--rounds: 0 is not allowed; 1 to 1024 are'],
  [['proof', 'self-test', '--rows', '5000'], '--rows: 5000 is not allowed; 1 to 4096 are'],
])('%j is refused', async (argv, reason) => {
  const { code, stderr } = await command(...argv);
  expect(code).toBe(2);
  expect(stderr).toContain(reason);
});
