// Whatever order messages, reconnects and restarts come in, the inventory is what the node last said, and so is what the
// journal tells.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Database } from '../../../../src/broker/storage/database.ts';
import { testDatabase } from '../../../fixtures/database.ts';
import { runs } from '../../../properties.ts';
import {
  change,
  gpu,
  insertNodes,
  insertPlace,
  joinedNode,
  newIngest,
  nodeRow,
  shownGpus,
  snapshot,
  TestClock,
} from './fixture.ts';

type Health = 'healthy' | 'unhealthy' | 'unknown';
type Action =
  | { kind: 'change'; gpu: number; health: Health | 'removed' }
  | { kind: 'send'; count: number; repeat: boolean }
  | { kind: 'late'; back: number }
  | { kind: 'skip'; count: number }
  | { kind: 'snapshot' }
  | { kind: 'oldSnapshot' }
  | { kind: 'reconnect' }
  | { kind: 'newSpool' }
  | { kind: 'restart' }
  | { kind: 'silence' };

const health = fc.constantFrom<Health>('healthy', 'unhealthy', 'unknown');
const plain = (kind: Exclude<Action['kind'], 'change' | 'send' | 'late' | 'skip'>, weight: number) => ({
  weight,
  arbitrary: fc.constant<Action>({ kind }),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      gpu: fc.nat(2),
      health: fc.oneof({ weight: 3, arbitrary: health }, { weight: 1, arbitrary: fc.constant('removed' as const) }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('send' as const), count: fc.nat(4), repeat: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('late' as const), back: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('skip' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  plain('snapshot', 2),
  plain('oldSnapshot', 1),
  plain('reconnect', 1),
  plain('newSpool', 1),
  plain('restart', 1),
  plain('silence', 1),
);

/** A node: what is true on it, its spool, and what it knows to be stored. */
class ModelNode {
  readonly truth = new Map<string, Health>();
  spool = 0;
  log: { sequence: number; name: string; health: Health | 'removed' }[] = [];
  sent = 0;
  /** What was true after each change of this spool. */
  states = [this.now()];
  lastSnapshot = this.snapshot();

  get sequence(): number {
    return this.log.length;
  }

  happen(name: string, health: Health | 'removed'): void {
    if (health === 'removed') this.truth.delete(name);
    else this.truth.set(name, health);
    this.log.push({ sequence: this.sequence + 1, name, health });
    this.states.push(this.now());
  }

  now(): Record<string, Health> {
    return Object.fromEntries([...this.truth].sort());
  }

  snapshot() {
    return snapshot(
      this.log?.length ?? 0,
      [...(this.truth ?? [])].map(([name, health]) => gpu(name, health)),
    );
  }

  changes(from: number, to: number) {
    const slice = this.log.slice(from, to);
    return slice.map(({ sequence, name, health }) => change(sequence, health === 'removed' ? name : gpu(name, health)));
  }
}

/** Folds the journal's events about GPUs. */
async function replayed(db: Database): Promise<Record<string, unknown>> {
  const events = await db.selectFrom('journal').selectAll().where('kind', 'like', 'gpu.%').orderBy('seq').execute();
  const shown = new Map<unknown, unknown>();
  for (const { kind, data } of events) {
    expect(shown.has(data.name)).toBe(kind !== 'gpu.added');
    if (kind === 'gpu.removed') shown.delete(data.name);
    else shown.set(data.name, data.health);
  }
  return Object.fromEntries([...shown].sort());
}

test('the inventory is the truth of its node', async () => {
  const { db } = await testDatabase();
  const clock = new TestClock();
  const place = await insertPlace(db, clock);
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      await db.deleteFrom('journal').execute();
      const [nodeId = ''] = await insertNodes(db, clock, place, 1);
      const node = new ModelNode();
      let ingest = newIngest(db, clock);
      const spoolId = () => `spool-${node.spool}`;
      const join = () => ingest.joined(joinedNode(place, nodeId, clock, { spoolId: spoolId() }));
      let highest = { spool: 0, sequence: 0 };
      const pull = async () => {
        node.lastSnapshot = node.snapshot();
        await ingest.snapshot(nodeId, spoolId(), node.lastSnapshot);
        node.sent = node.sequence;
      };
      const send = async (from: number, to: number) => {
        if ((await ingest.changes(nodeId, spoolId(), node.changes(from, to))) === 'gap') await pull();
        else node.sent = Math.max(node.sent, Math.min(to, node.sequence));
      };
      const act = async (step: Action): Promise<void> => {
        switch (step.kind) {
          case 'change':
            return node.happen(`gpu-${step.gpu}`, step.health);
          case 'send': {
            const to = node.sent + step.count;
            const from = node.sent;
            // What is repeated travels in the same batch.
            await Promise.all([send(from, to), ...(step.repeat ? [send(from, to)] : [])]);
            return;
          }
          case 'late':
            return send(Math.max(0, node.sent - step.back), node.sent);
          case 'skip':
            return send(node.sent + step.count, node.sequence);
          case 'snapshot':
            return pull();
          case 'oldSnapshot':
            return ingest.snapshot(nodeId, spoolId(), node.lastSnapshot);
          case 'newSpool':
            node.spool++;
            node.log = [];
            node.sent = 0;
            node.states = [node.now()];
            node.lastSnapshot = node.snapshot();
            await join();
            return pull();
          case 'restart':
            await ingest.close();
            ingest = newIngest(db, clock);
            await ingest.start();
            await join();
            return;
          case 'reconnect': {
            const { changeSequence } = await join();
            expect(Number(changeSequence)).toBeLessThanOrEqual(node.sequence);
            node.sent = Number(changeSequence);
            return;
          }
          case 'silence':
            for (let look = 0; look < 6; look++) {
              clock.advance(2_000);
              await ingest.tick();
            }
        }
      };
      await join();
      for (const step of actions) {
        await act(step);
        const { change_sequence } = await nodeRow(db, nodeId);
        if (highest.spool === node.spool) expect(change_sequence).toBeGreaterThanOrEqual(highest.sequence);
        highest = { spool: node.spool, sequence: change_sequence };
        // Not only at the end: what is stored is what was true after the last change that counts as stored.
        expect(await shownGpus(db, nodeId)).toEqual(node.states[change_sequence]);
      }
      await join();
      await pull();
      await ingest.close();
      const truth = node.now();
      expect(await shownGpus(db, nodeId)).toEqual(truth);
      expect(await replayed(db)).toEqual(truth);
      const conditions = await db
        .selectFrom('gpu_conditions')
        .innerJoin('gpus', 'gpus.id', 'gpu_conditions.gpu_id')
        .select(['gpus.name', 'gpu_conditions.status'])
        .where('gpus.node_id', '=', nodeId)
        .execute();
      const word = { healthy: 'True', unhealthy: 'False', unknown: 'Unknown' };
      const shown = Object.fromEntries(conditions.map(({ name, status }) => [name, status]));
      expect(shown).toEqual(Object.fromEntries([...node.truth].map(([name, health]) => [name, word[health]])));
      const unwell = [...node.truth].filter(([, health]) => health === 'unhealthy').length;
      const open = await db
        .selectFrom('incidents')
        .select('subject')
        .where('node_id', '=', nodeId)
        .where('kind', '=', 'gpu-unhealthy')
        .where('closed_at', 'is', null)
        .execute();
      expect(open).toHaveLength(unwell);
    }),
    runs(20, 500),
  );
}, 300_000);
