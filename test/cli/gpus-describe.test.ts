// `gpus describe`: everything known of one GPU, in sections; what is not known is not shown.
import { expect, test } from 'vitest';
import { viewGpu } from '../../src/cli/gpu-view.ts';
import { formatDescription } from '../../src/cli/gpus-describe.ts';
import { Evidence_Verdict } from '../../src/wire/gpubroker/device/v1/device_details.ts';
import { command } from './command.ts';
import { gpu, h100, startNodeServer } from './node-server.ts';

const now = Date.parse('2026-01-02T05:04:05Z');

test('all sections', () => {
  const device = { ...h100('gpu-a'), parent: 'gpu-p', stale: true, ecc: { enabled: true, pending: true } };
  const bad = gpu('gpu-a', 'Ready=True', 'Degraded=True:SlowLink');
  if (bad.status) bad.status.recommendedAction = 'ResetGPU';
  expect(formatDescription(viewGpu(bad, device), now)).toBe(`Name                gpu-a
UUID                GPU-A
Parent              gpu-p
Health              unhealthy (SlowLink: SlowLink it is)
Recommended action  ResetGPU
Stale               yes: a condition waits to be reported again
Version             0

Hardware
  Model               NVIDIA H100 80GB HBM3
  Vendor              nvidia
  Architecture        hopper
  Compute capability  9.0
  Memory              80.0 GiB
  Memory reserved     1.0 GiB
  Serial              123456
  Driver              550.1
  CUDA                12.4
  Index               0
  Source              nvml

PCI
  Address     00000000:3B:00.0
  Device      0x233010DE
  Generation  4 of 5
  Lanes       at most 16

Limits
  SM clock  1980 MHz
  Power     700 W

Modes
  ECC  on
  MIG  off

Readings
  Utilisation  37 %
  Memory used  1.5/80.0 GiB
  Temperature  45 C
  Power        312/700 W
  Taken        2026-01-02T03:04:05.000Z (2h ago)

NVLink
  LINK  STATE  VERSION  REMOTE
  0     up     4        00000000:05:00.0
  1     down   -        -

Processes
  PID   KIND     MEMORY
  4711  compute  1.5 GiB

Conditions
  TYPE      STATUS  SINCE  REASON    MESSAGE
  Ready     True    2h     -         -
  Degraded  True    2h     SlowLink  SlowLink it is`);
});

test('a GPU of which nothing is known but its name', () => {
  expect(formatDescription(viewGpu(gpu('gpu-a')), now)).toBe(
    'Name     gpu-a\nUUID     GPU-A\nHealth   unknown (NoReadyCondition)\nVersion  0',
  );
});

test('modes that change with the next reset', () => {
  const device = {
    ...h100('gpu-a'),
    ecc: { enabled: true, pending: false },
    mig: { enabled: true, pending: true, instanceUuids: ['MIG-1', 'MIG-2'] },
  };
  const divided = viewGpu(gpu('gpu-a'), { ...h100('gpu-a'), computePartition: 'cpx' });
  expect(formatDescription(divided, now)).toMatch(/Compute partitions +cpx/);
  const text = formatDescription(viewGpu(gpu('gpu-a', 'Ready=True'), device), now);
  expect(text).toContain('ECC           on, off after the next reset\n  MIG           on\n  MIG instance  MIG-1\n');
});

test('who uses it: a trade, pods, or nobody knows', () => {
  const described = (use: object) =>
    formatDescription(viewGpu(gpu('gpu-a', 'Ready=True'), { ...h100('gpu-a'), processes: [], ...use }), now);
  expect(described({ leased: true, allocation: { holders: ['team/train/main'], unknown: true } })).toContain(`Use
  Sold  yes: a trade holds it
  Pod   team/train/main
  Pods  unknown: the kubelet does not say
`);
  expect(described({ leased: false, allocation: { holders: [], unknown: false } })).not.toContain('\nUse\n');
});

test('what witnesses say of the identity, in words, also for programs', () => {
  const evidence = [
    { check: 'memory', witness: 'pci-id-table', verdict: Evidence_Verdict.DISAGREES, message: '188 GiB, 80 GiB' },
    { check: 'serial', witness: 'other-gpus', verdict: Evidence_Verdict.AGREES, message: 'no other' },
    { check: 'uuid', witness: 'kernel-module', verdict: Evidence_Verdict.UNKNOWN, message: 'nothing' },
  ];
  const view = viewGpu(gpu('gpu-a', 'Ready=True'), { ...h100('gpu-a'), evidence });
  expect(formatDescription(view, now)).toContain(`Identity
  CHECK   WITNESS        VERDICT    MESSAGE
  memory  pci-id-table   disagrees  188 GiB, 80 GiB
  serial  other-gpus     agrees     no other
  uuid    kernel-module  unknown    nothing`);
  expect(view.device?.evidence.map(({ verdict }) => verdict)).toEqual(['disagrees', 'agrees', 'unknown']);
});

test('over the socket, for people and for programs', async () => {
  const node = await startNodeServer();
  node.put(gpu('gpu-a', 'Ready=True'));
  node.devices.push(h100('gpu-a'));
  const { stdout } = await command('gpus', 'describe', 'gpu-a', '--socket', node.socket);
  expect(stdout).toContain('Model               NVIDIA H100 80GB HBM3');
  const json = await command('gpus', 'describe', 'gpu-a', '--json', '--socket', node.socket);
  expect(JSON.parse(json.stdout).device.serial).toBe('123456');
  node.stop();
});
