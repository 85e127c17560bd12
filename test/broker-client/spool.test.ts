// The spool on disk: what survives a crash, what damage costs, what a bound drops, and that a disk never stops anything.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { Spool } from '../../src/broker-client/spool/spool.ts';
import { Gpu } from '../../src/wire/gpubroker/node/v1/node_link.ts';
import { testWith } from '../capabilities.ts';
import { newNodeFolder, removeNodeFolders } from '../fixtures/linked-node.ts';
import { runs } from '../properties.ts';

const opened: Spool[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((spool) => spool.close()));
  removeNodeFolders();
});

interface Opened {
  readonly spool: Spool;
  readonly folder: string;
  readonly warnings: string[];
  readonly troubles: (string | undefined)[];
}

async function open(folder = newNodeFolder(), telemetryBytes = 1024 * 1024, boot = 'boot'): Promise<Opened> {
  const warnings: string[] = [];
  const troubles: (string | undefined)[] = [];
  const spool = await Spool.open({
    folder,
    telemetryBytes,
    boot,
    trouble: (reason) => void troubles.push(reason),
    warning: (message) => void warnings.push(message),
  });
  opened.push(spool);
  return { spool, folder, warnings, troubles };
}

const time = new Date(1_700_000_000_000);
const add = (spool: Spool, name: string) =>
  spool.addChange({ time, changed: Gpu.fromPartial({ device: { name } }), removed: undefined });
const addRound = (spool: Spool, gpu: string) => spool.addTelemetry({ time, samples: [{ gpu }] });

/** All that may be sent, by name. */
async function changesOf(spool: Spool, after = 0n): Promise<[bigint, string][]> {
  const found: [bigint, string][] = [];
  for (let at = after; ; at = found.at(-1)?.[0] ?? at) {
    const changes = await spool.changesAfter(at);
    if (changes.length === 0) return found;
    found.push(...changes.map(({ sequence, changed }): [bigint, string] => [sequence, changed?.device?.name ?? '']));
  }
}

const written = (spool: Spool, last: bigint) =>
  expect.poll(async () => (await spool.changesAfter(last - 1n)).length, { interval: 2, timeout: 5_000 }).toBe(1);
const segmentsOf = (folder: string, log: string) =>
  readdirSync(join(folder, log))
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(folder, log, name));

test('what was written is there after a restart, with its counts, and what was stored is not', async () => {
  const { spool, folder } = await open();
  for (const name of ['a', 'b', 'c']) add(spool, name);
  addRound(spool, 'a');
  await written(spool, 3n);
  spool.trim({ changeSequence: 1n, telemetrySequence: 1n });
  await spool.close();
  const again = await open(folder);
  expect(again.spool.id).toBe(spool.id);
  expect(await changesOf(again.spool, 1n)).toEqual([
    [2n, 'b'],
    [3n, 'c'],
  ]);
  expect(again.spool).toMatchObject({ lastChange: 3n, lastTelemetry: 1n, waiting: 2 });
  expect(again.spool.fits({ changeSequence: 1n, telemetrySequence: 1n })).toBe(true);
  expect(again.spool.fits({ changeSequence: 0n, telemetrySequence: 1n })).toBe(false);
  expect(again.spool.fits({ changeSequence: 4n, telemetrySequence: 1n })).toBe(false);
});

test('after another boot it counts anew from what was not stored', async () => {
  const { spool, folder } = await open();
  for (const name of ['a', 'b', 'c']) add(spool, name);
  await written(spool, 3n);
  spool.trim({ changeSequence: 2n, telemetrySequence: 0n });
  await spool.close();
  const again = await open(folder, undefined, 'another boot');
  expect(again.spool.id).not.toBe(spool.id);
  expect(await changesOf(again.spool)).toEqual([[1n, 'c']]);
});

test('kill -9 while it is written loses nothing that could have been sent', async () => {
  const folder = newNodeFolder();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'spool-writer.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let last = 0n;
  let kill = () => child.kill('SIGKILL');
  for await (const line of child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    const seen = String(line).trim().split('\n').at(-1) ?? '0';
    if (/^\d+$/.test(seen)) last = BigInt(seen);
    if (last >= 300n) {
      kill();
      kill = () => true;
    }
  }
  await ended;
  const { spool, warnings } = await open(folder);
  const found = await changesOf(spool);
  expect(spool.id).toBe(readFileSync(join(folder, 'named'), 'utf8'));
  expect(BigInt(found.length)).toBeGreaterThanOrEqual(last);
  expect(found.every(([sequence, name], i) => sequence === BigInt(i + 1) && name === `${i + 1}`)).toBe(true);
  expect(warnings).toEqual([]);
});

test('a torn end is cut, and the spool goes on', async () => {
  const { spool, folder } = await open();
  add(spool, 'a');
  await written(spool, 1n);
  add(spool, 'torn');
  await written(spool, 2n);
  await spool.close();
  const [segment = ''] = segmentsOf(folder, 'changes');
  truncateSync(segment, statSync(segment).size - 3);
  const again = await open(folder);
  expect(again.warnings).toEqual([]);
  add(again.spool, 'b');
  await written(again.spool, 2n);
  expect(await changesOf(again.spool)).toEqual([
    [1n, 'a'],
    [2n, 'b'],
  ]);
});

test('an altered record is reported, kept aside, and what is before it is sent under new counts', async () => {
  const { spool, folder } = await open();
  for (const name of ['a', 'b', 'c']) add(spool, name);
  await written(spool, 3n);
  await spool.close();
  const [segment = ''] = segmentsOf(folder, 'changes');
  const bytes = readFileSync(segment);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  writeFileSync(segment, bytes);
  const again = await open(folder);
  expect(again.warnings).toEqual([expect.stringContaining('is damaged behind byte')]);
  expect(readdirSync(join(folder, 'changes')).filter((name) => name.endsWith('.damaged'))).toHaveLength(1);
  expect(again.spool.id).not.toBe(spool.id);
  expect((await changesOf(again.spool)).map(([, name]) => name)).toEqual(['a', 'b']);
});

test('rubbish in the folder is no reason not to start', async () => {
  const { spool, folder } = await open();
  add(spool, 'a');
  await written(spool, 1n);
  await spool.close();
  writeFileSync(join(folder, 'id'), '{"id":');
  appendFileSync(segmentsOf(folder, 'changes')[0] ?? '', Buffer.alloc(100));
  writeFileSync(join(folder, 'telemetry', 'notes.txt'), 'hello');
  const again = await open(folder);
  expect(await changesOf(again.spool)).toEqual([[1n, 'a']]);
});

test('beyond its bytes the oldest telemetry is dropped and counted, across restarts; changes are not', async () => {
  const size = 64 * 1024;
  const { spool, folder } = await open(undefined, size);
  const long = 'x'.repeat(1_000);
  add(spool, 'a');
  for (let i = 0; i < 300; i += 1) {
    addRound(spool, `${i} ${long}`);
    if (i % 20 === 19) await expect.poll(() => spool.telemetryAfter(BigInt(i), 1)).toHaveLength(1);
  }
  expect(spool.bytes('telemetry')).toBeLessThan(1.3 * size);
  expect(spool.telemetryDropped).toBeGreaterThan(200);
  const [oldest] = await spool.telemetryAfter(0n, 1);
  expect(oldest?.sequence).toBe(BigInt(spool.telemetryDropped) + 1n);
  expect(oldest?.samples[0]?.gpu).toBe(`${spool.telemetryDropped} ${long}`);
  await spool.close();
  const again = await open(folder, size);
  expect(again.spool.telemetryDropped).toBe(spool.telemetryDropped);
  expect(await changesOf(again.spool)).toEqual([[1n, 'a']]);
});

test('without a usable folder it works in memory, says so, and returns to the disk', async () => {
  const folder = join(newNodeFolder(), 'spool');
  writeFileSync(folder, 'a file in its place');
  const { spool, troubles } = await open(folder);
  const { id } = spool;
  add(spool, 'a');
  addRound(spool, 'a');
  expect(await changesOf(spool)).toEqual([[1n, 'a']]);
  expect(troubles.at(-1)).toMatch(/EEXIST|ENOTDIR/);
  rmSync(folder);
  await expect.poll(() => troubles.at(-1), { timeout: 8_000 }).toBeUndefined();
  expect(spool.id).toBe(id);
  await spool.close();
  const again = await open(folder);
  expect(again.spool.id).toBe(id);
  expect(await changesOf(again.spool)).toEqual([[1n, 'a']]);
});

testWith('mount')(
  'on a full disk it works in memory within bounds, and keeps everything on disk once there is room',
  async () => {
    const script = join(import.meta.dirname, 'spool-on-full-disk.ts');
    const child = spawn('unshare', ['--mount', process.execPath, script, newNodeFolder()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    for await (const piece of child.stdout.setEncoding('utf8')) lines.push(String(piece));
    const said = JSON.parse(lines.join('')) as Record<string, unknown>;
    expect(said).toEqual({
      trouble: expect.stringContaining('ENOSPC'),
      otherId: true,
      // All changes, and telemetry within its bound, though nothing could be written.
      changesInTrouble: 220,
      telemetryBounded: true,
      telemetryDropped: true,
      troubleAfterwards: null,
      sameIdAfterRestart: true,
      changesAfterRestart: 220,
    });
  },
);

/** What happens to the spool, and what then must be in it. */
type Step = { add: number } | { stored: number } | { crash: true } | { tear: number } | { boot: true };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 3, arbitrary: fc.record({ stored: fc.integer({ min: 0, max: 50 }) }) },
  fc.constant<Step>({ crash: true }),
  fc.record({ tear: fc.integer({ min: 1, max: 16 }) }),
  fc.constant<Step>({ boot: true }),
);

test('whatever happens, changes that could be sent and were not stored are there, in order', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
    let { spool, folder } = await open();
    let boot = 'boot';
    let counter = 0;
    /** Not stored, oldest first. */
    let expected: string[] = [];
    const reopen = async (from: string) => {
      const before = spool;
      ({ spool, folder } = await open(from, undefined, boot));
      opened.splice(opened.indexOf(before), 1);
      await before.close();
    };
    const first = () => spool.lastChange - BigInt(expected.length) + 1n;
    for (const one of steps) {
      if ('add' in one) {
        for (let i = 0; i < one.add; i += 1) {
          counter += 1;
          // Long ones, so that segments come and go.
          add(spool, `${counter} ${'x'.repeat(40_000)}`);
          expected.push(`${counter}`);
        }
        await written(spool, spool.lastChange);
      } else if ('stored' in one) {
        const count = Math.min(one.stored, expected.length);
        spool.trim({ changeSequence: first() + BigInt(count) - 1n, telemetrySequence: 0n });
        expected = expected.slice(count);
      } else {
        if ('boot' in one) {
          // What was stored is noted in the background, and only that may be lost.
          await spool.close();
          boot = `${boot}+`;
        }
        // A copy of the folder is what a killed process leaves.
        const copy = newNodeFolder();
        cpSync(folder, copy, { recursive: true });
        const newest = segmentsOf(copy, 'changes').at(-1);
        if ('tear' in one && newest) appendFileSync(newest, Buffer.alloc(one.tear % 8, 1));
        await reopen(copy);
      }
      const all = await changesOf(spool, spool.lastChange - BigInt(expected.length));
      expect(all.map(([, name]) => name.split(' ')[0])).toEqual(expected);
      expect(all.every(([sequence], i) => sequence === first() + BigInt(i))).toBe(true);
    }
  });
  await fc.assert(property, runs(8, 400));
}, 120_000);
