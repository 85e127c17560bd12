// The state file: what survives a restart, and what a damaged file, a full disk or a lost one do not stop.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Cache } from '../../src/cache-server/cache.ts';
import { StateFile } from '../../src/cache-server/state/state-file.ts';
import { VersionBlock } from '../../src/cache-server/state/version-block.ts';
import { testWith } from '../capabilities.ts';

let folder: string;
const opened: StateFile[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpb-state-'));
});
afterEach(async () => {
  for (const state of opened.splice(0)) await state.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Opened {
  cache: Cache;
  state: StateFile;
  troubles: (string | undefined)[];
  damages: string[];
}

/** Opens the state in `folder`, as a daemon does that was killed before, or in another boot of the machine. */
async function open(bootId = 'this-boot', at = folder): Promise<Opened> {
  const troubles: (string | undefined)[] = [];
  const damages: string[] = [];
  const state = await StateFile.open({
    folder: at,
    bootId,
    now: () => Date.UTC(2026, 0, 1),
    onTrouble: (message) => troubles.push(message),
    onDamage: (message) => damages.push(message),
  });
  opened.push(state);
  const cache = new Cache({
    store: state,
    restored: state.restored,
    nameFormat: 'lowercase',
    now: () => Date.UTC(2026, 0, 1),
    clock: () => 0,
    onError: (error) => expect.fail(String(error)),
  });
  return { cache, state, troubles, damages };
}

async function createGpu({ cache }: Opened, name: string, status: 'True' | 'False' = 'True') {
  const conditions = [{ type: 'Ready', status, reason: 'Test', message: '' }];
  const reported = { conditions, recommendedAction: 'ResetGPU' };
  await cache.write({ kind: 'create', provider: 'p', name, namespace: '', uuid: name, status: reported });
}

function shown({ cache }: Opened) {
  const { entries, version } = cache.peek();
  return { version: version(), gpus: [...entries()].map(({ gpu }) => gpu) };
}

test.each([
  ['this-boot', false],
  ['another-boot', true],
  ['', false],
])('a start in the boot %j says whether the machine has booted since: %s', async (bootId, rebooted) => {
  const before = await open();
  expect(before.state.restored.rebooted).toBe(false);
  await createGpu(before, 'gpu-a');
  expect((await open(bootId)).state.restored.rebooted).toBe(rebooted);
});

describe('after a kill', () => {
  test('GPUs, conditions, actions and the version are as they were, and unconfirmed', async () => {
    const before = await open();
    await createGpu(before, 'gpu-a');
    await createGpu(before, 'gpu-b', 'False');
    await before.cache.write({ kind: 'delete', provider: 'p', name: 'gpu-a' });
    const after = await open();
    expect(after.damages).toEqual([]);
    expect(shown(after).version).toBe(3);
    expect(shown(after).gpus).toEqual([
      {
        ...shown(before).gpus[0],
        conditions: shown(before).gpus[0]?.conditions.map((one) => ({ ...one, confirmed: false })),
      },
    ]);
  });

  test('versions go on where they were', async () => {
    await createGpu(await open(), 'gpu-a');
    const after = await open();
    await createGpu(after, 'gpu-b');
    expect(shown(after).version).toBe(2);
  });
});

describe('after a power loss', () => {
  test('versions go on above every version that may have been handed out', async () => {
    const before = await open('boot-1');
    for (let i = 0; i < 5; i += 1) await createGpu(before, `gpu-${i}`);
    // The machine lost what had not reached the disk.
    truncateSync(join(folder, 'state'), 0);
    const after = await open('boot-2');
    expect(shown(after)).toEqual({ version: 1_000_000, gpus: [] });
  });

  test('and also when the state survived, for nobody knows whether all of it did', async () => {
    await createGpu(await open('boot-1'), 'gpu-a');
    const after = await open('boot-2');
    expect(shown(after).version).toBe(1_000_000);
    expect(shown(after).gpus).toHaveLength(1);
  });

  test('after a stop in good order they go on where they were', async () => {
    const before = await open('boot-1');
    await createGpu(before, 'gpu-a');
    await before.state.close();
    expect(shown(await open('boot-2')).version).toBe(1);
  });

  test('a daemon that was killed before its first file stood does not pass for one that lost nothing', async () => {
    const before = await open();
    for (let i = 0; i < 3; i += 1) await createGpu(before, `gpu-${i}`);
    // As the constructor of the next one leaves it, before the new state file is in its place.
    new VersionBlock(folder, 3, () => undefined).close();
    expect(shown(await open()).version).toBe(1_000_003);
  });

  test('the next block of versions is reserved long before the last one is used up', async () => {
    const before = await open();
    const versions = () => JSON.parse(readFileSync(join(folder, 'versions'), 'utf8').slice(9)) as { reserved: number };
    expect(versions().reserved).toBe(1_000_000);
    const { entry } = await before.cache.write({
      kind: 'create',
      provider: 'p',
      name: 'gpu-a',
      namespace: '',
      uuid: 'gpu-a',
    });
    before.state.append([{ type: 'MODIFIED', version: 600_000, entry }]);
    await expect.poll(() => versions().reserved).toBe(1_600_000);
  });
});

describe('a damaged file', () => {
  const damaged = () => readdirSync(folder).filter((name) => name.startsWith('state.damaged-'));

  test('with a torn last line is set aside; what stands before it is kept, and versions jump ahead', async () => {
    const before = await open();
    await createGpu(before, 'gpu-a');
    appendFileSync(join(folder, 'state'), 'a1b2c3d4 {"v":2,"gpu":{"na');
    const after = await open();
    expect(after.damages).toEqual([expect.stringContaining('line 4 is torn; set aside as state.damaged-')]);
    expect(damaged()).toHaveLength(1);
    expect(shown(after).gpus.map(({ name }) => name)).toEqual(['gpu-a']);
    expect(shown(after).version).toBe(1_000_000);
  });

  test('with an altered line is set aside, and nothing behind that line is believed', async () => {
    const before = await open();
    for (const name of ['gpu-a', 'gpu-b', 'gpu-c']) await createGpu(before, name);
    const path = join(folder, 'state');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"uuid":"gpu-b"', '"uuid":"gpu-x"'));
    const after = await open();
    expect(after.damages).toEqual([expect.stringContaining('line 4 is altered')]);
    expect(shown(after).gpus.map(({ name }) => name)).toEqual(['gpu-a']);
  });

  test.each([
    ['empty', ''],
    ['binary', '\0\x01\x02\xff'.repeat(1000)],
    ['without header', '00000000 {}\n'],
    ['of another program', '{"hello":"world"}\n'],
  ])('that is %s is set aside', async (_what, content) => {
    writeFileSync(join(folder, 'state'), content);
    const after = await open();
    expect(after.damages).toHaveLength(1);
    await createGpu(after, 'gpu-a');
    expect(shown(await open()).gpus).toHaveLength(1);
  });

  test('leaves no more than three of its kind behind', async () => {
    for (let i = 0; i < 5; i += 1) {
      writeFileSync(join(folder, 'state'), `damage ${i}`);
      writeFileSync(join(folder, `state.damaged-2025-0${i + 1}`), 'older');
      await open();
    }
    expect(damaged()).toHaveLength(3);
  });

  test('that is larger than any of ours can be is set aside unread', async () => {
    writeFileSync(join(folder, 'state'), '');
    truncateSync(join(folder, 'state'), 17 * 1024 * 1024);
    expect((await open()).damages).toEqual([expect.stringContaining('more than 16777216; set aside')]);
  });

  test('beside a damaged reservation makes versions jump above any count of changes', async () => {
    await createGpu(await open('boot-1'), 'gpu-a');
    writeFileSync(join(folder, 'versions'), 'nonsense');
    const after = await open('boot-2');
    expect(shown(after).version).toBe(Date.UTC(2026, 0, 1));
  });
});

describe('the file', () => {
  test('is written anew before it grows without bound', async () => {
    const growing = await open();
    const big = 'x'.repeat(30_000);
    for (let i = 0; i < 100; i += 1) {
      const conditions = [{ type: 'Ready', status: 'True' as const, reason: 'Test', message: `${i} ${big}` }];
      const status = { conditions, recommendedAction: '' };
      if (i === 0) await createGpu(growing, 'gpu-a');
      await growing.cache.write({ kind: 'status', provider: 'p', name: 'gpu-a', status, expectedVersion: 0n });
    }
    expect(readFileSync(join(folder, 'state')).length).toBeLessThan(1_500_000);
    expect(shown(await open()).version).toBe(101);
  });
});

describe('a folder that cannot be used', () => {
  test('stops nothing: state is served from memory, and trouble is told', async () => {
    writeFileSync(join(folder, 'file'), '');
    const inMemory = await open('this-boot', join(folder, 'file', 'below'));
    // Nothing could be reserved, so versions begin above any that an earlier daemon may have handed out.
    expect(shown(inMemory).version).toBe(Date.UTC(2026, 0, 1));
    await createGpu(inMemory, 'gpu-a');
    expect(shown(inMemory).gpus).toHaveLength(1);
    expect(inMemory.troubles).toEqual([expect.stringContaining('served from memory')]);
  });
});

testWith('mount')('a full disk refuses and delays no write, and once there is room everything is written', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  try {
    const daemon = await open();
    await createGpu(daemon, 'gpu-a');
    const ballast = join(folder, 'ballast');
    try {
      writeFileSync(ballast, Buffer.alloc(1024 * 1024));
    } catch {
      // The disk is full now, which is what was wanted.
    }
    // Larger than a page, so that it does not fit into what is left of the file's last block.
    for (let i = 0; i < 10; i += 1) await createGpu(daemon, `gpu-${'x'.repeat(200)}-${i}`);
    expect(shown(daemon).gpus).toHaveLength(11);
    expect(daemon.troubles.at(-1)).toContain('served from memory');
    rmSync(ballast);
    await expect.poll(() => daemon.troubles.at(-1), { timeout: 10_000 }).toBeUndefined();
    const after = await open();
    expect(after.damages).toEqual([]);
    expect(shown(after)).toMatchObject({ version: 11 });
    expect(shown(after).gpus).toHaveLength(11);
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
});

testWith('mount')('a daemon killed while its disk was full starts above every version it handed out', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  try {
    const daemon = await open();
    await createGpu(daemon, 'gpu-a');
    try {
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(1024 * 1024));
    } catch {
      // Full.
    }
    for (let i = 0; i < 20; i += 1) await createGpu(daemon, `gpu-${'x'.repeat(200)}-${i}`);
    expect(daemon.troubles.at(-1)).toContain('served from memory');
    await expect.poll(() => readFileSync(join(folder, 'versions'), 'utf8')).toContain('"lossy":true');
    const after = await open();
    expect(shown(after).version).toBeGreaterThan(shown(daemon).version);
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
});
