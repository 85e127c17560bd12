// Runs in a mount namespace of its own: a spool on a small file system that is full for a while. Says what it saw.
import { execFileSync } from 'node:child_process';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Spool } from '../../src/broker-client/spool/spool.ts';
import { Gpu } from '../../src/wire/gpubroker/node/v1/node_link.ts';

const [folder = ''] = process.argv.slice(2);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', folder]);
const telemetryBytes = 4 * 1024 * 1024;
let trouble: string | undefined;
const open = () =>
  Spool.open({
    folder: join(folder, 'spool'),
    telemetryBytes,
    boot: 'boot',
    trouble: (reason) => {
      trouble = reason;
    },
    warning: () => undefined,
  });
let spool = await open();

async function count(): Promise<number> {
  for (let at = 0n; ; ) {
    const changes = await spool.changesAfter(at);
    if (changes.length === 0) return Number(at);
    at = changes.at(-1)?.sequence ?? at;
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await sleep(10);
}

function add(changes: number): void {
  for (let i = 0; i < changes; i += 1) {
    const changed = Gpu.fromPartial({ device: { name: 'a' }, recommendedAction: 'x'.repeat(3_000) });
    spool.addChange({ time: new Date(), changed, removed: undefined });
  }
}

add(20);
await until(async () => (await count()) === 20);
const id = spool.id;
const { bavail, bsize } = statfsSync(folder);
try {
  writeFileSync(join(folder, 'filler'), Buffer.alloc(bavail * bsize));
} catch {}
add(200);
for (let i = 0; i < 3_000; i += 1) spool.addTelemetry({ time: new Date(), samples: [{ gpu: 'x'.repeat(1_000) }] });
await until(() => trouble !== undefined);
const seen = {
  trouble,
  otherId: spool.id !== id,
  changesInTrouble: await count(),
  telemetryBounded: spool.bytes('telemetry') < 2 * 1024 * 1024,
  telemetryDropped: spool.telemetryDropped > 0,
};
rmSync(join(folder, 'filler'));
await until(() => trouble === undefined);
const later = spool.id;
await spool.close();
spool = await open();
const after = {
  troubleAfterwards: trouble ?? null,
  sameIdAfterRestart: spool.id === later,
  changesAfterRestart: await count(),
};
process.stdout.write(JSON.stringify({ ...seen, ...after }));
process.exit(0);
