// What the tree over all rows of a proof costs, within the time that counts: on a processor by its definition, and on
// the first device by its kernel.
import { parseArgs } from 'node:util';
import { listComputeDevices } from '../../src/agent/verification/listing.ts';
import { proofProgram } from '../../src/agent/verification/proof.ts';
import { arity, Commitment, levelsOf } from '../../src/proof/commitment.ts';

const usage = `node bench/proof/tree.ts [--size N] [--rounds T]

Measures the Merkle tree of a proof: hashing N × T leaves into the root.

  --size N     rows of a product; 16384
  --rounds T   products in a row; 128
`;
const { values: given } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    size: { type: 'string', default: '16384' },
    rounds: { type: 'string', default: '128' },
  },
});
const work = { size: Number(given.size), rounds: Number(given.rounds) };
if (given.help || !Object.values(work).every((value) => value > 0)) {
  process.stdout.write(usage);
  process.exit(given.help ? 0 : 2);
}
const levels = levelsOf(work);
const count = work.size * work.rounds;
const hashes = Buffer.alloc(count * 32, 7);

const [device] = listComputeDevices();
process.stdout.write(`${count} leaves\n`);
const root = timed('by the definition, one core', () => new Commitment(work, hashes).root);
if (device) {
  const opened = device.open();
  const all = Buffer.alloc(levels.reduce((sum, hashes) => sum + hashes, 0) * 32);
  all.set(hashes);
  const tree = opened.allocate(all.length);
  opened.upload(all, tree);
  const join = () => {
    let from = 0;
    for (const level of levels.slice(0, -1)) {
      const grid = { groups: Math.ceil(level / arity / 64), groupSize: 64 };
      opened.launch(proofProgram, 'proof_join', grid, [from, level, from + level, tree]);
      from += level;
    }
    const found = Buffer.alloc(32);
    opened.download(tree, found, from * 32);
    return found;
  };
  join();
  const found = timed(`by the kernel, ${device.info.name}`, join);
  process.stdout.write(found.equals(root) ? 'the same root\n' : 'ANOTHER ROOT\n');
  opened.close();
}

function timed(name: string, work: () => Buffer): Buffer {
  const started = performance.now();
  const found = work();
  process.stdout.write(`${name}: ${(performance.now() - started).toFixed(0)} ms\n`);
  return found;
}
