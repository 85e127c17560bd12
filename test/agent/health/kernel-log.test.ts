// The kernel's log: what its records say, and that it is read without waiting, whatever kind of file it is.
import { execFileSync } from 'node:child_process';
import { appendFileSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KernelLog } from '../../../src/agent/health/kernel-log.ts';
import { type KernelXid, Records, xidOfRecord } from '../../../src/agent/health/kernel-xids.ts';

const line = (address: string, code: number) =>
  `4,12345,678901234,-;NVRM: Xid (PCI:${address}): ${code}, pid=4321, name=python3, Ch 00000008\n SUBSYSTEM=pci\n`;

test.each<[string, KernelXid | undefined]>([
  [line('0000:3b:00', 79), { address: '0000:3b:00', code: 79 }],
  ['NVRM: Xid (PCI:0000:CA:00): 31, pid=123, name=x', { address: '0000:ca:00', code: 31 }],
  [
    'NVRM: Xid (PCI:0008:06:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 04 (0x004505c6',
    { address: '0008:06:00', code: 149 },
  ],
  ['NVRM: Xid (PCI:00010000:06:00): 79, pid=1', { address: '10000:06:00', code: 79 }],
  ['NVRM: Xid (PCI:0000:06:00.0): 79, pid=1', { address: '0000:06:00', code: 79 }],
  ['nvidia-nvswitch0: SXid (PCI:0000:06:00.0): 20034, Fatal', undefined],
  ['NVRM: GPU at PCI:0000:3b:00: GPU-1f1c', undefined],
  ['NVRM: Xid (PCI:0000:3b:00): many, pid=1', undefined],
  ['', undefined],
])('%j', (record, xid) => {
  expect(xidOfRecord(record)).toEqual(xid);
});

test('records that come in pieces are put together, and none grows without end', () => {
  const records = new Records();
  expect(
    [...line('0000:3b:00', 79)].flatMap((piece) => records.take(piece)).flatMap((one) => xidOfRecord(one) ?? []),
  ).toEqual([{ address: '0000:3b:00', code: 79 }]);
  records.take('x'.repeat(1_000_000));
  expect(records.take('\n')[0]?.length).toBeLessThan(10_000);
});

let folder: string;
let xids: KernelXid[];
let troubles: (string | undefined)[];
let log: KernelLog | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kernel-log-'));
  [xids, troubles] = [[], []];
});
afterEach(async () => {
  await log?.stop();
  rmSync(folder, { recursive: true });
});

function follow(path: string): void {
  log = new KernelLog({ path, onXid: (xid) => xids.push(xid), onTrouble: (message) => troubles.push(message) });
  log.start();
}

const patience = { timeout: 8_000 };

test('what stood in a file before is old news; what is added is told once, and held back for two seconds', async () => {
  const path = join(folder, 'kmsg');
  writeFileSync(path, line('0000:3b:00', 48));
  follow(path);
  await new Promise((resolve) => setTimeout(resolve, 300));
  appendFileSync(path, `4,1,1,-;something else\n${line('0000:3b:00', 79)}`);
  const at = performance.now();
  await expect.poll(() => xids, patience).toEqual([{ address: '0000:3b:00', code: 79 }]);
  expect(performance.now() - at).toBeGreaterThan(1_900);
  expect(troubles).toEqual([]);
});

test('a pipe without a writer, or with one that is silent, is not waited for', async () => {
  const path = join(folder, 'kmsg');
  execFileSync('mkfifo', [path]);
  follow(path);
  const ticks: number[] = [];
  const ticking = setInterval(() => ticks.push(performance.now()), 10);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const writer = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await writer.write(line('0000:5e:00', 62).slice(0, 40));
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  await writer.write(line('0000:5e:00', 62).slice(40));
  await expect.poll(() => xids, patience).toEqual([{ address: '0000:5e:00', code: 62 }]);
  clearInterval(ticking);
  const gaps = ticks.slice(1).map((at, i) => at - (ticks[i] ?? at));
  // The loop went on all the time; a busy machine makes some gaps longer.
  expect(Math.max(...gaps)).toBeLessThan(900);
  await writer.close();
});

test('a log that cannot be read is told once', async () => {
  follow(join(folder, 'none'));
  await expect.poll(() => troubles).toHaveLength(1);
  expect(troubles[0]).toContain('ENOENT');
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  expect(troubles).toHaveLength(1);
});

test('a storm is bounded', async () => {
  const path = join(folder, 'kmsg');
  writeFileSync(path, '');
  follow(path);
  await new Promise((resolve) => setTimeout(resolve, 300));
  appendFileSync(path, line('0000:3b:00', 31).repeat(5_000));
  await expect.poll(() => xids.length, patience).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(xids.length).toBeLessThanOrEqual(256);
});
