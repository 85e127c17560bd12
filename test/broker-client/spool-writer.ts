// A process that adds changes to a spool until it is killed, and says which could be sent.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Spool } from '../../src/broker-client/spool/spool.ts';
import { Gpu } from '../../src/wire/gpubroker/node/v1/node_link.ts';

const [folder = ''] = process.argv.slice(2);
const quiet = () => undefined;
const spool = await Spool.open({ folder, telemetryBytes: 1024 ** 2, boot: 'boot', trouble: quiet, warning: quiet });
writeFileSync(join(folder, 'named'), spool.id);

let sendable = 0n;
for (let i = 1; ; i += 1) {
  const changed = Gpu.fromPartial({ device: { name: `${i}` }, recommendedAction: 'x'.repeat((i * 37) % 3_000) });
  spool.addChange({ time: new Date(), changed, removed: undefined });
  if (i % 7 !== 0) continue;
  await new Promise((resolve) => setImmediate(resolve));
  for (;;) {
    const changes = await spool.changesAfter(sendable);
    if (changes.length === 0) break;
    sendable = changes.at(-1)?.sequence ?? sendable;
  }
  process.stdout.write(`${sendable}\n`);
}
